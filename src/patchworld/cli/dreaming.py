"""What all commands that dream share: their options, and the way from a canvas to a file."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchworld.cli.parser import EXAMPLE, Parser, add_lora, add_model, add_output, size
from patchworld.errors import InputError

if TYPE_CHECKING:
    from patchworld.canvas import Canvas
    from patchworld.generate import Sampling
    from patchworld.model import Model
    from patchworld.video import Clip

# Defaults are written out, since the class is slow to import; a test compares them.
SAMPLING = ("seed", "steps", "guidance", "solver", "window", "history")


def add_dreaming(commands: Any, name: str, help: str, example: str = EXAMPLE, **defaults: Any) -> Parser:
    """A command that dreams, with the options of all such commands."""
    parser: Parser = commands.add_parser(name, help=help, epilog=example)
    add_output(parser)
    add_model(parser)
    add_lora(parser)
    settings = {"steps": 8, "guidance": 3, "window": 48, "history": 16, **defaults}
    told = {
        "seed": "same seed, same video; default 0",
        "steps": f"solver steps: more is slower and finer; default {settings['steps']}",
        "guidance": f"pull of the prompt; 1 is plain, default {settings['guidance']}",
        "window": f"frames dreamed at once; longer videos are dreamed in parts, default {settings['window']}",
        "history": f"frames seen on either side of a part, default {settings['history']}",
    }
    group = parser.add_argument_group("dreaming")
    for option, text in told.items():
        kind = float if option == "guidance" else int
        group.add_argument(f"--{option}", type=kind, default=settings.get(option, 0), metavar="N", help=text)
    group.add_argument("--solver", metavar="NAME", help="dpm, euler or heun; ancestral or ddim for a DDPM model")
    group.add_argument("--negative", default="", metavar="TEXT", help="what to stay away from")
    group.add_argument("--variations", type=int, default=1, metavar="N", help="videos of N seeds: out-1.mp4, out-2.mp4")
    group.add_argument("--preview", type=Path, metavar="FILE", help="a picture that shows what emerges, step by step")
    group.add_argument("--keep", action="store_true", help="after Ctrl-C, keep the frames that are finished")
    group.add_argument("--report", action="store_true", help="measure the joins between what is given and dreamed")
    group.add_argument("--label", action="store_true", help='write "AI generated" into a corner of every frame')
    parser.set_defaults(parser=parser)
    return parser


def add_fitting(parser: Parser) -> None:
    """The options of commands that take videos or images of any size and rate."""
    parser.add_argument("--size", type=size, metavar="WxH", help="width x height in pixels; default that of the input")
    parser.add_argument("--fit", choices=("crop", "pad"), help="of another shape: lose what sticks out, or add black")


def read_input(path: Path, options: argparse.Namespace, **how: Any) -> "Clip":
    """A video or image as the options want it; says what was done to it where nobody asked."""
    from patchworld.verbs import fitted
    from patchworld.video import read

    clip = read(path, **how)
    return fitted(clip, getattr(options, "size", None) or clip.size, clip.fps, getattr(options, "fit", None))


def prompt_of(options: argparse.Namespace, *clips: "Clip") -> str:
    """The prompt that was given, or else that of the first clip that was made from one."""
    if options.prompt is not None:
        return str(options.prompt)
    return next((str(clip.recipe["prompt"]) for clip in clips if clip.recipe and "prompt" in clip.recipe), "")


def sampling_of(options: argparse.Namespace) -> "Sampling":
    from patchworld.generate import Sampling

    return Sampling(**{name: getattr(options, name) for name in SAMPLING})


def dream(options: argparse.Namespace, canvas: "Canvas") -> str:
    """Dream a canvas, once for each variation, into the file that was asked for, and tell about it."""
    from patchworld.model import load
    from patchworld.video import check_output

    canvas, sampling = replace(canvas, negative=options.negative), sampling_of(options)
    if options.variations < 1:
        raise InputError(f"variations={options.variations} is too few: give 1 or more")
    paths = [options.out]
    if options.variations > 1:
        paths = [options.out.with_stem(f"{options.out.stem}-{n}") for n in range(1, options.variations + 1)]
    for path in paths:  # before the work, not after it
        check_output(path, size=canvas.size, fps=canvas.fps, num_frames=canvas.frames)
    if options.preview:
        check_output(options.preview, num_frames=1)
    model = load(options.model, options.lora, options.lora_strength)
    lines = []
    for number, path in enumerate(paths):
        lines += _dream(options, canvas, replace(sampling, seed=sampling.seed + number), model, path)
    return "\n".join(lines)


def _dream(
    options: argparse.Namespace, canvas: "Canvas", sampling: "Sampling", model: "Model", path: Path
) -> list[str]:
    from patchworld.video import Writer
    from patchworld.video.seams import SeamReport

    seams = SeamReport(canvas.joins(), canvas.given()) if options.report else None
    count = 0
    recipe = recipe_of(options, model, canvas, sampling)
    with Writer(path, canvas.size, canvas.fps, recipe=recipe, given=given(canvas)) as writer:
        try:
            for frame in watched(model, canvas, sampling, options.preview, recipe):
                writer.add(frame)
                count += 1
                if seams:
                    seams.add(frame)
        except KeyboardInterrupt:
            if not (options.keep and count):
                raise
    width, height = canvas.size
    frames = f"{count} {'frame' if count == 1 else 'frames'} of {width}x{height}, seed {sampling.seed}"
    stopped = f", stopped before the other {canvas.frames - count}" if count < canvas.frames else ""
    return [f"{path}: {frames}{stopped}", *(seams.lines() if seams else [])]


def recipe_of(options: argparse.Namespace, model: "Model", canvas: "Canvas", sampling: "Sampling") -> dict[str, Any]:
    """The recipe of a file, the label that was asked for included."""
    return {**model.recipe(canvas, sampling), "label": options.label}


def given(canvas: "Canvas") -> set[str]:
    """The files that the clips of a canvas were read from."""
    return {condition.clip.source["path"] for condition in canvas.conditions if condition.clip.source}


def watched(
    model: "Model",
    canvas: "Canvas",
    sampling: "Sampling",
    preview: Path | None = None,
    recipe: dict[str, Any] | None = None,
) -> Iterator[Any]:
    """The frames of a canvas, with a progress bar, which tells the time left, when it takes longer than a moment.

    preview: a picture that is kept up to date meanwhile, marked by the `recipe`.
    """
    from tqdm import tqdm

    bar = tqdm(desc="dreaming", unit="step", leave=False, delay=0.3, file=sys.stderr)

    def on_step(done: int, steps: int, latent: Any) -> None:
        bar.total = steps
        bar.update(done - bar.n)
        if preview:
            _show(model, latent, canvas.fps, preview, recipe)

    with bar:
        yield from model.stream(canvas, sampling, on_step)


def _show(model: "Model", latent: Any, fps: float, path: Path, recipe: dict[str, Any] | None) -> None:
    """What a latent holds so far, as a contact sheet."""
    from patchworld.vae import preview
    from patchworld.video import Clip, contact_sheet

    frames = preview(model.autoencoder, latent)
    enlarged = frames.repeat(8, 1).repeat(8, 2)
    contact_sheet(Clip(enlarged, fps / model.autoencoder.grid.time, recipe), path)
