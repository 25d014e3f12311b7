import re
from pathlib import Path

import numpy as np
import pytest
from tiny import moving_square

from patchworld.video import read

BOARD = """
seconds: 2
size: 32x32
things: on grass
cards:
  - {at: 0, prompt: a red ball}
  - {at: 1, clip: still.png, cut: false}
"""


def test_a_storyboard_shows_its_cards(model, run):
    Path("boards").mkdir()
    Path("boards/film.yaml").write_text(BOARD)
    moving_square(1, (32, 32)).save("boards/still.png")  # found from where the storyboard lies
    command = ("storyboard", "boards/film.yaml", "-o", "out.mkv", "--model", model, "--steps", 1)
    assert run(*command) == (0, "out.mkv: 16 frames of 32x32, seed 0\n", "")
    clip = read("out.mkv")
    assert clip.recipe["prompt"] == "a red ball, on grass"
    assert np.array_equal(clip.frames[8], moving_square(1, (32, 32)).frames[0])
    assert run("replay", "out.mkv", "--model", model)[1] == "out-replay.mkv: the same frames again\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "film.yaml does not exist: give the path of a storyboard"),
        ("{", "film.yaml is no YAML: .*line 1"),
        ("[1]", "film.yaml holds no cards"),
        ("cards: []", "does not say how long the video is: add seconds"),
        ("{cards: [], seconds: 1, speed: 2}", "unknown speed: known are seconds, size"),
        ("{cards: [], seconds: 1, size: big}", "film.yaml: 'big' is not a size"),
        ("{cards: [], seconds: 1}", "the first one is at 0"),
        ("{cards: [{at: soon}], seconds: 1}", "cards.0.at=soon: .*number"),
        ("{cards: [{at: 0, clip: gone.png}], seconds: 1}", "gone.png does not exist"),
        ("{cards: [x], seconds: 1}", "cards.0=x: .*dict"),
    ],
)
def test_a_storyboard_that_makes_no_sense_is_refused(text, message, model, refused):
    if text is not None:
        Path("film.yaml").write_text(text)
    assert re.search(message, refused("storyboard", "film.yaml", "-o", "out.mp4", "--model", model))
