"""patchworld generate: a video or an image from words."""

import argparse
from typing import Any

from patchworld.cli.dreaming import add_dreaming, dream
from patchworld.cli.parser import size


def add(commands: Any) -> None:
    generate = add_dreaming(commands, "generate", "make a video or an image from words")
    generate.add_argument("prompt", metavar="PROMPT", help="what to show, in English or Chinese")
    generate.add_argument("--frames", type=int, metavar="N", help="number of frames; default 17, 1 for an image file")
    generate.add_argument(
        "--size", type=size, default=(64, 64), metavar="WxH", help="width x height in pixels; default 64x64"
    )
    generate.add_argument("--fps", type=float, default=8.0, metavar="F", help="frames a second; default 8")
    generate.add_argument(
        "--then",
        nargs=2,
        action="append",
        default=[],
        metavar=("SECONDS", "PROMPT"),
        help="from then on another prompt; may be given several times",
    )
    generate.set_defaults(run=_generate)


def _generate(options: argparse.Namespace) -> str:
    from patchworld import verbs
    from patchworld.cli.parser import number
    from patchworld.video.writing import IMAGE_SUFFIXES

    frames = options.frames
    if frames is None:
        frames = 1 if options.out.suffix.lower() in IMAGE_SUFFIXES else 17
    changes = [(round(number(seconds, "--then") * options.fps), prompt) for seconds, prompt in options.then]
    return dream(
        options, verbs.generate(options.prompt, frames=frames, size=options.size, fps=options.fps, changes=changes)
    )
