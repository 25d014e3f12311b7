import numpy as np
import pytest

from patchworld.scorecard.frechet import frechet_distance


def test_a_set_has_no_distance_from_itself() -> None:
    x = np.random.default_rng(0).standard_normal((100, 5))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_a_shift_costs_its_squared_length() -> None:
    x = np.random.default_rng(0).standard_normal((100, 5))
    assert frechet_distance(x, x + np.array([3, 0, 4, 0, 0])) == pytest.approx(25)


def test_of_uncorrelated_features_it_is_the_difference_of_deviations() -> None:
    x = np.random.default_rng(0).standard_normal((4000, 3))
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x, rowvar=False)), (x - x.mean(0)).T).T  # exactly white
    scale = np.array([1.0, 2.0, 5.0])
    assert frechet_distance(x, x * scale) == pytest.approx(((scale - 1) ** 2).sum())


def test_it_does_not_matter_which_comes_first() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4))
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))
