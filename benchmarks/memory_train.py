"""Does the memory of a training run grow with its steps?

    python benchmarks/memory_train.py [--steps 2000] [--leak] [--out FILE]

The real command trains a tiny transformer with a save every second, on a folder in which one video in ten cannot be
read. Its memory is fitted by a line after a fifth of the steps; descriptors are counted from outside. The bar: at most
1 MB a hundred steps, and as many descriptors at the end as at the beginning. Exits 1 where it is not met. `--leak` is
the saboteur: every step keeps 20 kB.
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
import torch
from chaos_train import make_clips
from measure import machine, publish

from patchworld import cli
from patchworld.train import TrainConfig, loop

MOST_SLOPE = 1.0  # MB in a hundred steps
LEAK = 20_000  # bytes


def command(arguments: list[str], leak: bool) -> None:
    """The real command, with a checkpoint every second."""
    sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115  progress is of no interest
    torch.set_num_threads(1)
    TrainConfig.model_fields["save_minutes"].default = 0.015
    TrainConfig.model_rebuild(force=True)
    add_gradients, kept = loop.add_gradients, []

    def leaking(*of):
        kept.append(b"x" * LEAK)
        return add_gradients(*of)

    if leak:
        loop.add_gradients = leaking
    sys.exit(cli.main(arguments))


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
        words = ["train", "transformer", "--data", str(data), "--out", str(out), "--steps", str(options.steps)]
        words += ["--preset", "tiny", "--tokens", "64", "--precision", "fp32", "--sample-minutes", "1000"]
        process = multiprocessing.get_context("spawn").Process(target=command, args=(words, options.leak))
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
    later = [(row["step"], row["memory_mb"]) for row in rows if "memory_mb" in row and row["step"] > options.steps / 5]
    steps, memory = np.array(later).T
    slope = 100 * np.polyfit(steps, memory, 1)[0]
    half = len(descriptors) // 2
    early, late = (max(part, default=0) for part in (descriptors[:half], descriptors[half:]))
    lines = [
        f"# benchmarks/memory_train.py{' --leak' if options.leak else ''}",
        "",
        machine(),
        "",
        "| steps | MB after a fifth | MB at the end | MB in a hundred steps | descriptors, early and late | kept |",
        "|---|---|---|---|---|---|",
        f"| {options.steps} | {memory[0]:.1f} | {memory[-1]:.1f} | {slope:.3f} | {early}, {late} | "
        f"{', '.join(saves)} |",
    ]
    publish("\n".join(lines), options.out)
    sys.exit(slope > MOST_SLOPE or late > early)


if __name__ == "__main__":
    main()
