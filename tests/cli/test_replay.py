import re
from pathlib import Path

import pytest
from tiny import moving_square
from tiny_commands import quick

from patchworld.video import Clip, read


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_replay_gives_the_same_frames_again(name, model, run):
    run(*quick(model, name, "--seed", 5, "--negative", "雾", "--guidance", 2))
    expected = name.replace("out", "out-replay")
    assert run("replay", name, "--model", model) == (0, f"{expected}: the same frames again\n", "")
    assert run("replay", name, "-o", name, "--model", model)[1] == f"{name}: the same frames again\n"


def test_replay_says_when_the_frames_differ(model, run):
    run(*quick(model, "out.png"))
    made = read("out.png")
    Clip(255 - made.frames, made.fps, made.recipe).save("changed.png")
    assert "frames differ" in run("replay", "changed.png", "--model", model)[1]


def test_replay_finds_what_a_video_was_made_from_where_it_was_beside_it_or_where_it_is_named(model, run, refused):
    moving_square(5, (16, 16)).save("given.mp4")
    run("extend", "given.mp4", "-o", "out.mp4", "--seconds", 0.5, "--model", model, "--steps", 1)
    again = ("replay", "out.mp4", "--model", model)
    assert run(*again)[1] == "out-replay.mp4: the same frames again\n"
    Path("apart").mkdir()
    Path("given.mp4").rename("apart/given.mp4")
    assert "given.mp4 does not exist" in refused(*again)
    assert run(*again, "--inputs", "out.mp4", "apart/given.mp4")[1] == "out-replay.mp4: the same frames again\n"
    assert "none of out.mp4 is what it was made from: name other --inputs" in refused(*again, "--inputs", "out.mp4")
    Path("out.mp4").rename("apart/out.mp4")
    assert "the same frames" in run("replay", "apart/out.mp4", "--model", model)[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "0123456789abcdef"}, "made by model 0123456789abcdef, this one is .* with --model"),
        ({"verb": "conjure"}, "unknown verb 'conjure': known are generate, animate"),
        ({"prompt": 5}, "prompt=5: .*string"),
        ({"seed": 10**30}, "seed=1000000000000000000000000000000 is out of range"),
        ({"steps": 10**9}, "steps=1000000000 is out of range"),
        ({"guidance": 1e300}, "guidance=1e\\+300 is out of range"),
        ({"solver": "magic"}, "unknown solver 'magic'"),
        ({"strength": 1}, "strength=1: unknown"),
        ({"arguments": {"prompt": None}}, "generate: prompt: .*string"),
        ({"arguments": {"prompt": "x", "frames": 2.5}}, "frames=2.5: .*integer"),
        ({"arguments": {"prompt": "x", "frames": 10**9}}, "frames=1000000000 is out of range"),
        ({"arguments": {"prompt": "x", "size": "16x16"}}, "size=16x16: .*tuple"),
        ({"arguments": {"prompt": "x", "size": [16]}}, "size.1: missing"),
        ({"arguments": {"prompt": "x", "size": [10**6, 10**6]}}, "size 1000000x1000000 is too large"),
        ({"arguments": {"prompt": "x", "fps": "8"}}, "fps=8: .*number"),
        ({"arguments": {"prompt": "x", "fps": 1e300}}, "fps=1e"),
    ],
)
def test_replay_refuses_a_recipe_that_makes_no_sense(change, message, model, run, refused):
    run(*quick(model, "out.png"))
    made = read("out.png")
    Clip(made.frames, made.fps, {**made.recipe, **change}).save("out.png")
    assert re.search(message, refused("replay", "out.png", "--model", model))


def test_replay_refuses_a_file_without_a_recipe(model, refused):
    moving_square(3).save("plain.mp4")
    Clip(moving_square(3).frames, 8, {}).save("empty.mp4")
    assert "plain.mp4 carries no recipe: give a file as patchworld generate wrote it" in refused("replay", "plain.mp4")
    assert "recipe in this file cannot be used: verb: missing" in refused("replay", "empty.mp4", "--model", model)
