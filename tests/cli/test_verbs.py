"""Each command makes what its verb promises; what the verbs themselves promise is in tests/test_verbs.py."""

import re
import signal
from pathlib import Path

import numpy as np
import pytest
from tiny import moving_square

from patchworld.video import Clip, read


@pytest.fixture
def given(run, model):
    """Two videos, an image and a mask in an empty folder, and how to run a verb on them."""
    for name, color in (("a.mkv", (230, 30, 40)), ("b.mkv", (20, 40, 230))):
        moving_square(9, (32, 32), color=color).save(name)
    Clip(np.full((1, 32, 32, 3), 40, np.uint8), 1).save("one.png")
    mask = np.zeros((1, 32, 32, 3), np.uint8)
    mask[:, :, :16] = 255
    Clip(mask, 1).save("mask.png")

    def verb(*words, more=("-o", "out.mkv")):
        return run(*words, *more, "--model", model, "--steps", 1)

    return verb


@pytest.mark.parametrize(
    ("words", "frames", "size"),
    [
        (("animate", "one.png", "--frames", 9, "--last", "one.png", "--key", "0.5", "one.png"), 9, (32, 32)),
        (("extend", "a.mkv", "on it rolls", "--seconds", 0.5), 13, (32, 32)),
        (("extend", "a.mkv", "--backward", "--seconds", 0.5, "on it rolls"), 13, (32, 32)),
        (("loop", "left", "--seconds", 1, "--size", "16x16"), 8, (16, 16)),
        (("loop", "--video", "a.mkv", "--seconds", 0.5), 13, (32, 32)),
        (("connect", "a.mkv", "b.mkv", "--seconds", 0.5), 22, (32, 32)),
        (("blend", "a.mkv", "b.mkv", "--seconds", 0.5, "--curve", "0:0,0.5:0.2,1:1"), 14, (32, 32)),
        (("retake", "a.mkv", "--from", 0.25, "--to", 0.5, "left"), 9, (32, 32)),
        (("inpaint", "a.mkv", "--mask", "mask.png", "left"), 9, (32, 32)),
        (("outpaint", "a.mkv", "--size", "64x32", "--place", "0,0"), 9, (64, 32)),
        (("restyle", "a.mkv", "on snow", "--strength", 0.3), 9, (32, 32)),
        (("refine", "a.mkv", "--strength", 0.3), 9, (64, 64)),
    ],
)
def test_every_verb_makes_a_video_that_its_recipe_makes_again(words, frames, size, given, run, model):
    status, out, err = given(*words)
    assert (status, out, err) == (0, f"out.mkv: {frames} frames of {size[0]}x{size[1]}, seed 0\n", "")
    assert read("out.mkv").recipe["verb"] == words[0]
    assert run("replay", "out.mkv", "--model", model)[1] == "out-replay.mkv: the same frames again\n"


def test_given_frames_are_in_the_file_as_they_were(given):
    given("retake", "a.mkv", "--from", 0.5, "--to", 1)
    changed = (read("out.mkv").frames != read("a.mkv").frames).any((1, 2, 3))
    assert changed.tolist() == [False] * 4 + [True] * 4 + [False]


def test_without_a_prompt_that_of_the_given_video_is_used(given, run, model):
    run("generate", "a red ball", "-o", "made.mkv", "--frames", 5, "--size", "16x16", "--steps", 1, "--model", model)
    given("extend", "made.mkv", "--seconds", 0.5)
    assert read("out.mkv").recipe["prompt"] == "a red ball"


def test_inputs_are_made_smaller_on_request_and_cropped_aloud(given):
    moving_square(5, (64, 32)).save("wide.mkv")
    status, out, err = given("extend", "wide.mkv", "--size", "16x16", "--seconds", 0.5)
    assert (status, out) == (0, "out.mkv: 9 frames of 16x16, seed 0\n")
    assert err == "patchworld: 64x32 is cropped to the shape of 16x16; fit pad keeps all\n"
    assert given("extend", "wide.mkv", "--size", "16x16", "--fit", "pad", "--seconds", 0.5)[2] == ""
    assert (read("out.mkv").frames[:5, :4] == 0).all()


def test_several_variations_are_files_of_their_own(given):
    status, out, _ = given("animate", "one.png", "--frames", 5, "--variations", 2, "--seed", 7)
    assert (status, re.findall(r"(out-\d.mkv).*seed (\d)", out)) == (0, [("out-1.mkv", "7"), ("out-2.mkv", "8")])
    assert not np.array_equal(read("out-1.mkv").frames, read("out-2.mkv").frames)


def test_a_preview_shows_what_emerges(given):
    assert given("animate", "one.png", "--frames", 9, "--preview", "look.png")[0] == 0
    assert read("look.png").is_image


def test_a_report_tells_of_every_join(given):
    pytest.importorskip("cv2")
    out = given("connect", "a.mkv", "b.mkv", "--seconds", 0.5, "--report")[1]
    figures = r"motion [\d.]+ \(usual [\d.]+\), brightness [\d.]+ \(usual [\d.]+\), identity [\d.]+ \(usual [\d.]+\)"
    assert re.search(rf"join at frame 9: {figures}\njoin at frame 13: {figures}\n$", out)


def test_ctrl_c_keeps_what_is_finished_if_asked(given, model, run, monkeypatch):
    from patchworld.denoise import Dreamer

    window, calls = Dreamer.window, []

    def stop_at_the_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return window(*arguments)

    monkeypatch.setattr(Dreamer, "window", stop_at_the_second)
    words = ("extend", "a.mkv", "--seconds", 2, "--window", 4)
    status, out, _ = given(*words, "--keep")
    assert (status, out) == (0, "out.mkv: 13 frames of 32x32, seed 0, stopped before the other 12\n")
    assert read("out.mkv").num_frames == 13
    monkeypatch.setattr(Dreamer, "window", window)
    assert run("replay", "out.mkv", "--model", model)[1] == "out-replay.mkv: the same frames again\n"
    calls.clear()
    monkeypatch.setattr(Dreamer, "window", stop_at_the_second)
    status, _, err = given(*words, more=("-o", "other.mkv"))
    assert (status, err) == (130, "patchworld: stopped; nothing was left half-written\n")
    assert not Path("other.mkv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("extend", "missing.mp4"), "missing.mp4 does not exist"),
        (("extend", "a.mp4", "-o", "x.png"), "x.png is an image of one frame, not 25"),
        (("animate", "a.mp4"), "9 frames is no image: extend it"),
        (("animate", "mask.png", "--key", "x", "mask.png"), "--key: not a number: 'x'"),
        (("retake", "a.mp4", "--from", 1), "missing --to"),
        (("retake", "a.mp4", "--from", 1, "--to", 0.5), "no frame lies from 1 to 0.5 s"),
        (("inpaint", "a.mp4", "--mask", "black.png"), "the mask has no white pixel"),
        (("outpaint", "a.mp4", "--size", "64x32", "--place", "middle"), "'middle' is no pair of numbers"),
        (("blend", "a.mp4", "a.mp4", "--curve", "0:0,1"), "'1' is no pair of numbers"),
        (("loop", "x", "--seconds", 60), "a circle of 480 frames: use a multiple of 4 frames, up to 48"),
        (("extend", "mask.png"), "an image has no frame rate: animate it"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(words, message, model, refused):
    moving_square(9).save("a.mp4")
    moving_square(1).save("mask.png")
    Clip(np.zeros((1, 32, 32, 3), np.uint8), 1).save("black.png")
    assert re.search(message, refused(words[0], "-o", "out.mp4", "--model", model, *words[1:]))
