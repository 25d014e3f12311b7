import numpy as np

from patchworld.playroom.scene import SHAPES
from patchworld.scorecard.fit_shapes import draw_samples, fit
from patchworld.scorecard.shapes import NUM_FEATURES


def test_a_fit_finds_what_tells_the_classes_apart() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 3, 3000)
    samples = rng.standard_normal((3000, 514))
    samples[:, :3] += 6 * np.eye(3)[shapes]
    assert ((samples @ fit(samples, shapes)).argmax(1) == shapes).mean() > 0.97


def test_samples_are_of_every_shape() -> None:
    samples, shapes = zip(*draw_samples(4711, 12, 1), strict=True)
    assert np.array(samples).shape[1] == NUM_FEATURES
    assert set(shapes) == set(range(len(SHAPES)))
