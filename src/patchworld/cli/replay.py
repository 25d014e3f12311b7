"""patchworld replay: a generated file again, from the recipe stored in it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchworld.cli.dreaming import watched
from patchworld.cli.parser import add_lora, add_model, add_output
from patchworld.errors import InputError

if TYPE_CHECKING:
    from patchworld.video import Clip


def add(commands: Any) -> None:
    replay = commands.add_parser("replay", help="make a generated file again from the recipe stored in it")
    replay.add_argument("video", type=Path, metavar="FILE", help="a file written by patchworld")
    add_output(replay, required=False)
    add_model(replay)
    add_lora(replay)
    replay.add_argument(
        "--inputs", type=Path, nargs="+", default=[], metavar="FILE", help="what it was made from, if that has moved"
    )
    replay.set_defaults(run=_replay, parser=replay)


def _replay(options: argparse.Namespace) -> str:
    from itertools import zip_longest

    import numpy as np

    from patchworld.model import load
    from patchworld.recipe import follow_recipe
    from patchworld.video import Writer, check_output, frames, read_recipe

    made = read_recipe(options.video)
    if made is None:
        raise InputError(f"{options.video} carries no recipe: give a file as patchworld generate wrote it")
    canvas, sampling = follow_recipe(made, lambda named: _find(named, options))
    out = options.out or options.video.with_stem(options.video.stem + "-replay")
    check_output(out, size=canvas.size, fps=canvas.fps, num_frames=canvas.frames)
    model = load(options.model, options.lora, options.lora_strength)
    if made["model"] != model.hash:
        raise InputError(
            f"the file was made by model {made['model']}, this one is {model.hash}: "
            "give the folder of that one with --model, and its adapter with --lora and --lora-strength"
        )
    before = list(frames(options.video)) if out == options.video else None  # it is about to be replaced
    with Writer(out, canvas.size, canvas.fps, recipe=made) as writer:
        for frame in watched(model, canvas, sampling):
            writer.add(frame)
    pairs = zip_longest(before or frames(options.video), frames(out))
    same = [a is None or (b is not None and np.array_equal(a, b)) for a, b in pairs]  # it may have been stopped early
    told = "the same frames again" if all(same) else "frames differ: another machine, version or file format"
    return f"{out}: {told}"


def _find(named: dict[str, Any], options: argparse.Namespace) -> "Clip":
    """A clip that a recipe names: among the inputs, where it was, or beside the video."""
    from patchworld.recipe import find_clip, fingerprint

    for path in options.inputs:
        clip = find_clip({**named, "path": str(path)}, check=False)
        if fingerprint(clip) == named["sha256"]:
            return clip
    if options.inputs:
        raise InputError(f"none of {', '.join(map(str, options.inputs))} is what it was made from: name other --inputs")
    beside = options.video.parent / Path(named.get("path", "")).name
    moved = not Path(named.get("path", "")).exists() and beside.is_file()
    return find_clip({**named, "path": str(beside)} if moved else named)
