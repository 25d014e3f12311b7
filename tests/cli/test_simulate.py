import os
import pty
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import moving_square

from patchworld.cli.simulate import read_actions, terminal_picture
from patchworld.model import save
from patchworld.video import read


@pytest.fixture(scope="module")
def playable(tiny_model, tmp_path_factory):
    """The folder of a model that knows two actions."""
    folder = tmp_path_factory.mktemp("playable") / "model"
    config = tiny_model.denoiser.config.model_copy(update={"actions": ("none", "push left")})
    denoiser = type(tiny_model.denoiser)(config)
    denoiser.load_state_dict({**denoiser.state_dict(), **tiny_model.denoiser.state_dict()})
    torch.nn.init.ones_(denoiser.embed_action.weight)
    save(replace(tiny_model, denoiser=denoiser), folder)
    return str(folder)


def test_a_file_of_actions_makes_a_frame_for_each(playable, run):
    Path("steps.txt").write_text("push left x 3\n\nnone\n")
    moving_square(5, (16, 16)).save("past.mkv")
    command = ("simulate", "a red ball", "--actions", "steps.txt", "-o", "out.mkv", "--model", playable, "--steps", 1)
    assert run(*command, "--past", "past.mkv") == (0, "out.mkv: 9 frames of 16x16, seed 0\n", "")
    clip = read("out.mkv")
    assert np.array_equal(clip.frames[:5], moving_square(5, (16, 16)).frames)
    assert clip.recipe["arguments"]["actions"] == ["push left"] * 3 + ["none"]
    assert run("replay", "out.mkv", "--model", playable)[1] == "out-replay.mkv: the same frames again\n"


def test_keys_are_answered_and_the_play_can_be_made_again(playable, run, monkeypatch):
    keyboard, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        command = ("simulate", "a red ball", "-o", "out.mkv", "--model", playable, "--steps", 1, "--size", "16x16")
        os.write(keyboard, b"\x1b[D")
        status, out, err = run(*command, "--seconds", 1, "--fps", 100)
    os.close(keyboard)
    assert (status, out) == (0, "out.mkv: 101 frames of 16x16, seed 0\n")
    assert "\x1b[38;2;" in err
    assert read("out.mkv").recipe["arguments"]["actions"][:4] == ["push left"] * 4
    assert run("replay", "out.mkv", "--model", playable)[1] == "out-replay.mkv: the same frames again\n"


def test_what_is_no_action_is_refused(playable, model, refused):
    Path("steps.txt").write_text("fly\n")
    Path("empty.txt").write_text("\n")
    Path("pixels.txt").write_bytes(b"\xff\xfe")
    command = ("simulate", "-o", "out.mp4", "--steps", 1, "--size", "16x16", "--actions")
    assert "unknown action 'fly': this model knows none, push left" in refused(
        *command, "steps.txt", "--model", playable
    )
    assert "this model was trained without actions" in refused(*command, "steps.txt", "--model", model)
    assert "no actions: give at least one" in refused(*command, "empty.txt", "--model", playable)
    assert "pixels.txt is no text file of actions" in refused(*command, "pixels.txt", "--model", playable)
    assert "no terminal to read keys from" in refused(*command[:-1], "--model", playable)


def test_actions_are_counted(tmp_path):
    path = tmp_path / "steps.txt"
    path.write_text("push left x 2\njump\nnone x3\n")
    assert read_actions(path) == ["push left"] * 2 + ["jump"] + ["none"] * 3


def test_a_terminal_shows_two_pixels_a_letter():
    frame = np.zeros((2, 3, 3), np.uint8)
    frame[0, :, 0], frame[1, :, 2] = 200, 100
    picture = terminal_picture(frame)
    assert picture.count("\x1b[38;2;200;0;0m\x1b[48;2;0;0;100m▀") == 3
    assert picture.count("\n") == 1
