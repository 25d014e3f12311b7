"""How much memory and time does a 60-second canvas take, denoised in one piece by the shipped model?

    python benchmarks/long_canvas.py [--steps 2] [--sides 64 128] [--out FILE]

961 frames at 16 a second are 241 latent frames. Each size runs in a process of its own, and its peak is what the
operating system counted, weights, libraries and decoded frames included.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from measure import machine, matrix_peak, publish

import patchworld

FRAMES, FPS = 961, 16.0


def dream(side: int, steps: int) -> dict[str, float]:
    """Dream the canvas in this process: CPU seconds of a step and of the rest, and the peak of memory in GB."""
    torch.set_num_threads(1)
    world = patchworld.load()
    marks = [time.process_time()]
    world.dream(
        patchworld.Canvas("a red ball rolls to the left on grass", FRAMES, (side, side), FPS),
        patchworld.Sampling(steps=steps, window=FRAMES + 3),
        on_step=lambda done, steps, latent: marks.append(time.process_time()),
    )
    end = time.process_time()
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes there, kilobytes on Linux
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return {"step": (marks[-1] - marks[0]) / steps, "decode": end - marks[-1], "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)  # this process dreams one canvas
    args = parser.parse_args()
    if args.alone:
        print(json.dumps(dream(args.alone, args.steps)))
        return
    torch.set_num_threads(1)
    world = patchworld.load()
    token = world.autoencoder.grid.space * world.patch.space  # pixels that a token is wide
    lines = [
        "# benchmarks/long_canvas.py",
        "",
        machine() + f". bf16 matrix peak {matrix_peak() / 1e9:.0f} GFLOP/s. {FRAMES} frames at {FPS:.0f} a second, "
        "preset small, guidance on.",
        "",
        "| size | tokens | CPU seconds a step | decoding, CPU seconds | peak memory, GB |",
        "|---|---|---|---|---|",
    ]
    for side in args.sides:
        command = [sys.executable, __file__, "--alone", str(side), "--steps", str(args.steps)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        took = json.loads(ran.stdout.splitlines()[-1])
        tokens = (1 + (FRAMES - 1) // world.autoencoder.grid.time) * (side // token) ** 2
        lines.append(
            f"| {side} x {side} | {tokens:,} | {took['step']:.1f} | {took['decode']:.1f} | {took['peak']:.2f} |"
        )
    publish("\n".join(lines), args.out)


if __name__ == "__main__":
    main()
