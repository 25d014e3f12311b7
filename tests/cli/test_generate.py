import os
import re

import pytest
from tiny_commands import quick

from patchworld.model import save_autoencoder
from patchworld.video import read


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif"])
def test_generate_writes_a_video_of_the_frames_size_and_rate_asked_for(suffix, model, run):
    status, out, _ = run(*quick(model, f"out.{suffix}", "--size", "50x34", "--frames", 6, "--fps", 10))
    clip = read(f"out.{suffix}")
    assert (status, out) == (0, f"out.{suffix}: 6 frames of 50x34, seed 0\n")
    assert (clip.frames.shape, clip.fps) == ((6, 34, 50, 3), 10)


def test_an_image_file_gets_one_frame_and_a_video_file_seventeen(model, run):
    for name, frames in (("out.png", 1), ("out.jpg", 1), ("out.mp4", 17)):
        assert run(*quick(model, name))[0] == 0
        assert read(name).num_frames == frames
    assert run(*quick(model, "one.mp4", "--frames", 1))[0] == 0
    assert read("one.mp4").num_frames == 1


@pytest.mark.parametrize(
    "prompt", ["", "一个红色的球向左滚动", "a 🐱 and a 🎈", "two\nlines\tand a tab", "-- dashes first"]
)
def test_any_prompt_is_taken_and_kept_in_the_recipe(prompt, model, run):
    status, _, err = run(*quick(model, "out.png", prompt=prompt))
    assert (status, err) == (0, "")
    assert read("out.png").recipe["prompt"] == prompt


def test_a_prompt_that_is_too_long_is_cut_with_one_line_that_says_so(model, run):
    prompt = "word " * 300
    status, _, err = run(*quick(model, "out.png", prompt=prompt))
    assert status == 0
    assert re.fullmatch(r"patchworld: a prompt of \d+ tokens is cut to 256: .*; shorten it\n", err)
    assert read("out.png").recipe["prompt"] == prompt


def test_the_prompt_may_change_on_the_way(model, run):
    assert run(*quick(model, "out.mp4", "--then", "1", "a blue cube", "--then", 1.5, "left"))[0] == 0
    assert read("out.mp4").recipe["arguments"]["changes"] == [[8, "a blue cube"], [12, "left"]]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--then", "soon", "x"), "--then: not a number: 'soon'"),
        (("--then", "9", "x"), r"changes at frames \[72\]: use growing numbers from 1 to 16"),
        (("--window", 0), "window=0 is out of range"),
        (("--variations", 0), "variations=0 is too few: give 1 or more"),
        (("--preview", "p.mp3"), "p.mp3 names no format"),
        (("--size", "0x64"), "size 0x64 is too small: .*at least 8 pixels"),
        (("--size", "99999x99999"), "size 99999x99999 is too large: .*4096x4096"),
        (("--size", "9" * 20 + "x8"), "is not a size: write width x height"),
        (("--frames", 10**9), "frames=1000000000 is out of range: .*1 to 100000"),
        (("--frames", 0), "frames=0 is out of range"),
        (("--fps", "nan"), "fps=nan is out of range: .*0.1 to 1000"),
        (("--fps", "inf"), "fps=inf is out of range"),
        (("--steps", 0), "steps=0 is out of range: .*1 to 1000"),
        (("--guidance", -1), "guidance=-1.0 is out of range: use 0 to 100"),
        (("--guidance", "nan"), "guidance=nan is out of range"),
        (("--seed", -1), "seed=-1 is out of range: .*0 to 2"),
        (("--seed", 2**63), "is out of range"),
        (("--solver", "magic"), "unknown solver 'magic': .*euler"),
        (("-o", "out.avi"), "out.avi names no format to write: end it in .mp4"),
        (("-o", "out"), "out names no format to write"),
        (("-o", ""), "names no format to write"),
        (("-o", "out.png", "--frames", 5), "out.png is an image of one frame, not 5: use .mp4"),
        (("-o", "out.gif", "--fps", 60), "out.gif cannot show 60 frames a second"),
        (("-o", "missing/out.mp4"), "missing/out.mp4 cannot be written, its folder does not exist: create it"),
        (("-o", "two\nlines/out.mp4"), "cannot be written, its folder does not exist"),
        (("--model", "missing"), "missing holds no model.json: give the folder of a model"),
    ],
)
def test_generate_refuses_what_it_cannot_make_before_it_begins(more, message, model, refused):
    assert re.search(message, refused(*quick(model, "out.mp4", *more)))


def test_a_pipe_is_not_replaced_by_a_file(model, refused):
    os.mkfifo("out.mp4")
    assert "out.mp4 is not a regular file" in refused(*quick(model))


def test_an_autoencoder_alone_is_not_taken_for_a_model(tiny_model, tmp_path_factory, refused):
    folder = tmp_path_factory.mktemp("autoencoder")
    save_autoencoder(tiny_model.autoencoder, folder)
    assert "holds no transformer, only an autoencoder" in refused(*quick(folder))


def test_a_clip_larger_than_the_memory_is_refused_before_it_begins(model, refused):
    more = ("--size", "4096x4096", "--frames", 100_000, "--window", 100_000)
    line = refused(*quick(model, "out.mp4", *more), status=1)
    assert re.search(r"100000 frames of 4096x4096 need \d+ GB of memory, there are \d+: ask for fewer", line)
