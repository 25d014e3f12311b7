"""patchworld replay: a generated file again, from the recipe stored in it."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.cli.generate import dream
from patchworld.cli.parser import add_lora, add_model, add_output
from patchworld.errors import InputError


def add(commands: Any) -> None:
    replay = commands.add_parser("replay", help="make a generated file again from the recipe stored in it")
    replay.add_argument("video", type=Path, metavar="FILE", help="a file written by patchworld generate")
    add_output(replay, required=False)
    add_model(replay)
    add_lora(replay)
    replay.set_defaults(run=_replay, parser=replay)


def _replay(options: argparse.Namespace) -> str:
    import numpy as np

    from patchworld.recipe import follow_recipe
    from patchworld.video import check_output, read

    before = read(options.video)
    if before.recipe is None:
        raise InputError(f"{options.video} carries no recipe: give a file as patchworld generate wrote it")
    canvas, sampling = follow_recipe(before.recipe)
    out = options.out or options.video.with_stem(options.video.stem + "-replay")
    check_output(out, size=canvas.size, fps=canvas.fps, num_frames=canvas.frames)
    after = read(dream(options, canvas, sampling, before.recipe.get("model")).save(out))
    same = before.frames.shape == after.frames.shape and np.array_equal(before.frames, after.frames)
    return f"{out}: {'the same frames again' if same else 'frames differ: another machine, version or file format'}"
