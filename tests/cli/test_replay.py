import re

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "0123456789abcdef"}, "made by model 0123456789abcdef, this one is .* with --model"),
        ({"prompt": 5}, "prompt=5: .*string"),
        ({"prompt": None}, "prompt: .*string"),
        ({"frames": 2.5}, "frames=2.5: .*integer"),
        ({"frames": 10**9}, "frames=1000000000 is out of range"),
        ({"size": "16x16"}, "size=16x16: .*list"),
        ({"size": [16]}, "size: .*2 items"),
        ({"size": [10**6, 10**6]}, "size 1000000x1000000 is too large"),
        ({"fps": "8"}, "fps=8: .*number"),
        ({"fps": 10**400}, "fps=1000"),
        ({"seed": 10**30}, "seed=1000000000000000000000000000000 is out of range"),
        ({"steps": 10**9}, "steps=1000000000 is out of range"),
        ({"guidance": 1e300}, "guidance=1e\\+300 is out of range"),
        ({"solver": "magic"}, "unknown solver 'magic'"),
        ({"strength": 1}, "strength=1: unknown"),
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
    assert "recipe in this file cannot be used: prompt: missing" in refused("replay", "empty.mp4", "--model", model)
