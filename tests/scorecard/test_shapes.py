import numpy as np
import pytest

from patchworld.playroom import play, sample_scene
from patchworld.playroom.scene import SHAPES
from patchworld.scorecard import read
from patchworld.scorecard.shapes import features


@pytest.mark.parametrize("size", [(64, 64), (128, 96)])
def test_lone_things_of_every_shape_are_told_apart_at_any_size(size: tuple[int, int]) -> None:
    found, index = set(), 0
    while len(found) < len(SHAPES):
        index += 1
        scene = sample_scene(4711, index, frames=1, size=size)
        if len(scene.things) != 1 or scene.props or scene.things[0].shape in found:
            continue
        thing = scene.things[0]
        assert read(play(scene).clip).shape(thing.colour, range(1)) == thing.shape
        found.add(thing.shape)


def test_what_is_seen_of_a_shape_does_not_depend_on_its_size_or_brightness() -> None:
    mask = np.add.outer((np.arange(32) - 15.5) ** 2, (np.arange(32) - 15.5) ** 2) < 250
    pixels = np.where(mask, np.arange(32)[:, None] * 3, 0)[..., None].repeat(3, -1).astype(np.uint8)
    small = features(mask, pixels)
    large = features(mask.repeat(2, 0).repeat(2, 1), pixels.repeat(2, 0).repeat(2, 1))
    assert np.allclose(small, large, atol=0.02)
    assert np.abs(small - features(mask, pixels + 60 * mask[..., None].astype(np.uint8))).max() < 0.02
