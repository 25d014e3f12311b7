import math

import pytest

from patchworld.scorecard.tally import Share, mean


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_intervals_are_those_of_published_examples(right: int, asked: int, low: float, high: float) -> None:
    # The last two: Newcombe 1998, table I, method 3.
    assert Share(right, asked).interval == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_says_nothing() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)
    assert str(Share(0, 0)) == "-"
    assert math.isnan(mean({}, "model"))


def test_the_mean_is_over_questions_not_over_prompts() -> None:
    counts = {"one": {"model": Share(1, 1)}, "two": {"model": Share(0, 99)}, "three": {"renders": Share(1, 1)}}
    assert mean(counts, "model") == 0.5
