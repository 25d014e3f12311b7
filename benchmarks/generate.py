"""How long does a two-second clip of 64 x 64 take after loading? And `patchworld --help`?

    python benchmarks/generate.py

Prints the median of several runs, with the matrix-product peak of the machine measured in the same process. Results
with date and machine are kept in benchmarks/results/.
"""

import statistics
import subprocess
import sys
import time

import torch

import patchworld
from patchworld.train.loop import matmul_peak

RUNS = 7


def seconds(function) -> float:
    """Median wall time of some runs after one that warms up."""
    function()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    started = time.perf_counter()
    world = patchworld.load()
    loading = time.perf_counter() - started
    threads = torch.get_num_threads()
    print(
        f"{threads} threads, bf16 matrix peak {matmul_peak(torch.bfloat16) / 1e9:.0f} GFLOP/s, loading {loading:.2f} s"
    )
    prompt = "a red ball rolls to the left on grass"
    for frames, size in ((1, (64, 64)), (17, (64, 64)), (17, (112, 64)), (33, (128, 128))):
        took = seconds(lambda frames=frames, size=size: world.generate(prompt, frames=frames, size=size))
        print(f"{frames:3} frames of {size[0]}x{size[1]}: {took:.2f} s, {frames / 8 / took:.1f} x real time at 8 fps")
    help_ = seconds(
        lambda: subprocess.run([sys.executable, "-m", "patchworld", "--help"], capture_output=True, check=True)
    )
    print(f"patchworld --help: {help_:.2f} s")


if __name__ == "__main__":
    main()
