"""patchworld reconstruct: a video through the autoencoder, and what is lost."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.cli.parser import add_model, add_output


def add(commands: Any) -> None:
    reconstruct = commands.add_parser(
        "reconstruct", help="push a video through the autoencoder and measure what is lost"
    )
    reconstruct.add_argument("video", type=Path, metavar="FILE", help="any video or image")
    add_output(reconstruct)
    add_model(reconstruct)
    reconstruct.add_argument("--from", dest="start", type=float, default=0.0, metavar="S", help="first second to use")
    reconstruct.add_argument("--to", dest="end", type=float, metavar="S", help="second to stop at")
    reconstruct.set_defaults(run=_reconstruct, parser=reconstruct)


def _reconstruct(options: argparse.Namespace) -> str:
    import math
    from itertools import tee

    from tqdm import tqdm

    from patchworld.model import DEFAULT, load_autoencoder
    from patchworld.shapes import Shape
    from patchworld.vae import decode_latents, encode_frames
    from patchworld.video import Writer, check_output, frames, probe
    from patchworld.video.metrics import Comparison

    check_output(options.out)
    originals, source = tee(frames(options.video, start=options.start, end=options.end))
    info = probe(options.video)
    seconds = min(info.duration, options.end or info.duration) - options.start
    # As near as the file tells: it may hold one more, which the writer would refuse where it does not fit.
    expected = 1 if info.num_frames == 1 else max(1, math.ceil(seconds * info.fps - 0.25))
    check_output(options.out, size=info.size, fps=info.fps, num_frames=expected)
    autoencoder = load_autoencoder(options.model or DEFAULT)
    # Read, encode, decode and write piece by piece: `tee` holds the frames of one piece, nothing holds the video.
    rebuilt = decode_latents(autoencoder, encode_frames(autoencoder, source), info.size)
    loss = Comparison()
    made_from = {"path": str(options.video), "start": options.start, "end": options.end}
    recipe = {"verb": "reconstruct", "arguments": {"clip": made_from}}  # enough to say what made the pictures
    with (
        tqdm(total=expected, desc="reconstructing", unit="frame", leave=False, delay=0.3) as bar,
        Writer(options.out, info.size, info.fps, recipe=recipe, given={str(options.video)}) as writer,
    ):
        for before, after in zip(originals, rebuilt, strict=False):  # the last piece may be continued beyond the end
            writer.add(after)
            loss.add(before, after)
            bar.update()
    width, height = info.size
    latent = Shape(loss.num_frames, height, width).divided(autoencoder.grid)
    smaller = loss.num_frames * height * width * 3 / (latent.volume * autoencoder.latent_channels)
    return f"{options.out}: PSNR {loss.psnr:.2f} dB, SSIM {loss.ssim:.4f}, {smaller:.0f} times fewer numbers"
