"""patchworld generate: a video or an image from words."""

import argparse
from typing import Any

from patchworld.cli.parser import EXAMPLE, add_lora, add_model, add_output, size
from patchworld.errors import InputError


def add(commands: Any) -> None:
    generate = commands.add_parser("generate", help="make a video or an image from words", epilog=EXAMPLE)
    generate.add_argument("prompt", metavar="PROMPT", help="what to show, in English or Chinese")
    add_output(generate)
    add_model(generate)
    add_lora(generate)
    generate.add_argument("--frames", type=int, metavar="N", help="number of frames; default 17, 1 for an image file")
    generate.add_argument(
        "--size", type=size, default=(64, 64), metavar="WxH", help="width x height in pixels; default 64x64"
    )
    generate.add_argument("--fps", type=float, default=8.0, metavar="F", help="frames a second; default 8")
    generate.add_argument("--steps", type=int, metavar="N", help="solver steps: more is slower and finer; default 16")
    generate.add_argument("--guidance", type=float, metavar="G", help="pull of the prompt; 1 is plain, default 3")
    generate.add_argument("--solver", metavar="NAME", help="euler, heun or ab2; ancestral or ddim for a DDPM model")
    generate.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same video; default 0")
    generate.add_argument("--negative", default="", metavar="TEXT", help="what to stay away from")
    generate.set_defaults(run=_generate, parser=generate)


def _generate(options: argparse.Namespace) -> str:
    from patchworld.canvas import Canvas
    from patchworld.generate import Sampling
    from patchworld.video import check_output
    from patchworld.video.writing import IMAGE_SUFFIXES

    wanted = {name: getattr(options, name) for name in ("seed", "steps", "guidance", "solver")}
    sampling = Sampling(**{name: value for name, value in wanted.items() if value is not None})
    frames = options.frames
    if frames is None:
        frames = 1 if options.out.suffix.lower() in IMAGE_SUFFIXES else 17
    canvas = Canvas(options.prompt, frames, options.size, options.fps, options.negative)
    check_output(options.out, size=canvas.size, fps=canvas.fps, num_frames=frames)  # before the work, not after it
    clip = dream(options, canvas, sampling)
    path, (width, height) = clip.save(options.out), clip.size
    return f"{path}: {frames} {'frame' if frames == 1 else 'frames'} of {width}x{height}, seed {sampling.seed}"


def dream(options: argparse.Namespace, canvas: Any, sampling: Any, expected: str | None = None) -> Any:
    """Load the model and dream the canvas, with a progress bar when it takes longer than a moment."""
    from tqdm import tqdm

    from patchworld.model import load

    model = load(options.model, options.lora, options.lora_strength)
    if expected is not None and expected != model.hash:
        raise InputError(
            f"the file was made by model {expected}, this one is {model.hash}: give the folder of that one with "
            "--model, and its adapter with --lora and --lora-strength"
        )
    with tqdm(total=sampling.steps, desc="dreaming", unit="step", leave=False, delay=0.3) as bar:
        return model.dream(canvas, sampling, on_step=lambda done, steps, latent: bar.update(done - bar.n))
