import numpy as np
import pytest
from painting import lit, paint

from patchworld.playroom.mjcf import COLOUR_RGB, GROUND_RGB
from patchworld.playroom.render import LIGHTING
from patchworld.scorecard import sight
from patchworld.scorecard.sight import LABELS, Setting, find_setting, label
from patchworld.video import Clip


@pytest.mark.parametrize("light", LIGHTING)
@pytest.mark.parametrize("ground", GROUND_RGB)
def test_ground_and_light_are_told_from_the_colour_of_the_ground(ground: str, light: str) -> None:
    colour = lit(ground, light, np.sin(np.radians(LIGHTING[light][2])))
    assert find_setting(Clip(np.tile(colour, (1, 32, 32, 1)), 8.0)) == Setting(ground, light)


def test_things_in_the_corners_do_not_pass_for_the_ground() -> None:
    clip = paint([[("red", 0, 50, 10, 64), ("blue", 54, 50, 64, 64)]], ground="sand")
    assert find_setting(clip) == Setting("sand", "day")


@pytest.mark.parametrize("light", LIGHTING)
@pytest.mark.parametrize("colour", COLOUR_RGB)
def test_a_thing_has_one_colour_in_the_sun_and_in_half_shade(colour: str, light: str) -> None:
    pixels = np.stack([lit(colour, light, share) for share in (0.5, 0.7, 0.9)])[None, :, None]
    assert set(label(pixels, Setting("grass", light)).ravel().tolist()) == {LABELS.index(colour)}


def test_the_table_of_colours_says_what_measuring_every_line_says() -> None:
    setting = Setting("snow", "sunset")
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (200, 3), dtype=np.uint8)
    centres = ((colours >> (8 - sight.BITS)) + 0.5) / (1 << sight.BITS)
    low, high, names = sight._lines(setting)
    along = np.linspace(0, 1, 2001)[:, None, None]
    lines = low + along * (high - low)  # every line as many points
    for colour, centre in zip(colours, centres, strict=True):
        miss = ((lines - centre) ** 2).sum(-1).min(0)
        miss = miss - np.where([LABELS[name] in sight.NOTHING for name in names], sight.MORE_GROUND, 0)
        found = int(label(colour[None, None, None], setting)[0, 0, 0])
        assert np.isclose(miss[names == found].min(), miss.min(), atol=1e-5)
