"""Does the memory of a training run grow with its steps?

    python benchmarks/memory_train.py [--steps 2000] [--leak] [--out FILE]

The real command trains a tiny transformer with a save every five steps, on a folder in which one video in ten cannot be
read. In the second of its two stages tokens are dropped, so that packs differ in length, and its memory has another
level. The memory of each stage is fitted by a line after a fifth of its steps; descriptors are counted from outside.
The bar: at most 1 MB a hundred steps, and no more descriptors at the end than at the beginning. Exits 1 where it is not
met. `--leak` is the saboteur: every step keeps 20 kB.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tiny_training
from measure import machine, publish
from tiny_training import make_clips, notes_of

from patchworld.train import loop

MOST_SLOPE = 1.0  # MB in a hundred steps
LEAK = 20_000  # bytes


def run(words: list[str], notes: Path, leak: bool) -> None:
    add_gradients, kept = loop.add_gradients, []

    def leaking(*of):
        kept.append(b"x" * LEAK)
        return add_gradients(*of)

    if leak:
        loop.add_gradients = leaking
    sys.exit(tiny_training.run(words, notes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--leak", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "out"
        make_clips(data, 20)
        for number in (3, 7):
            path = data / f"{number}.mp4"
            path.write_bytes(path.read_bytes()[:600])
        words = tiny_training.command(data, out, options.steps)
        process = multiprocessing.get_context("spawn").Process(target=run, args=(words, notes_of(out), options.leak))
        process.start()
        descriptors = []
        while process.is_alive():
            time.sleep(0.5)
            try:
                if (out / "metrics.jsonl").exists():
                    descriptors.append(len(os.listdir(f"/proc/{process.pid}/fd")))
            except OSError:  # it has just ended
                break
        process.join()
        if process.exitcode:
            sys.exit("the run failed")
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        saves = sorted(path.name for path in (out / "checkpoints").iterdir())
    memory = {row["step"]: row["memory_mb"] for row in rows if "memory_mb" in row}
    stages = [range(first + options.steps // 10, first + options.steps // 2 + 1) for first in (0, options.steps // 2)]
    slopes = [100 * np.polyfit(stage, [memory[step] for step in stage], 1)[0] for stage in stages]
    ends = [memory[step] for stage in stages for step in (stage[0], stage[-1])]
    half = len(descriptors) // 2
    # Medians: a save that is looked at in its middle has one more.
    early, late = (int(np.median(part)) for part in (descriptors[:half], descriptors[half:]))
    lines = [
        f"# benchmarks/memory_train.py{' --leak' if options.leak else ''}",
        "",
        machine(),
        "",
        "| steps | MB after a fifth and at the end of each stage | MB in 100 steps | descriptors, early, late | kept |",
        "|---|---|---|---|---|",
        f"| {options.steps} | {', '.join(f'{x:.1f}' for x in ends)} | {', '.join(f'{x:.3f}' for x in slopes)} | "
        f"{early}, {late} | {', '.join(saves)} |",
    ]
    publish("\n".join(lines), options.out)
    sys.exit(max(slopes) > MOST_SLOPE or late > early)


if __name__ == "__main__":
    main()
