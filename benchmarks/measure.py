"""How the other scripts measure: one thread, process CPU time, candidates in turn, the machine's peak in the same run.

The CPU time of one thread stays honest while other programs run, as the clock on the wall does not.
"""

import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROUNDS, WARM_UPS = 7, 2


def cpu_seconds(function: Callable[[], object]) -> float:
    """Process CPU time of one call."""
    started = time.process_time()
    function()
    return time.process_time() - started


def in_turn(candidates: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median CPU seconds of each candidate. They take turns, so that all see the same machine."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(WARM_UPS + rounds):
        for name, function in candidates.items():
            seconds = cpu_seconds(function)
            if number >= WARM_UPS:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_peak(size: int = 2048) -> float:
    """FLOP/s of a bfloat16 matrix product: the best of several."""
    a, b = torch.randn(2, size, size).bfloat16()
    return 2 * size**3 / min(cpu_seconds(lambda: a @ b) for _ in range(8))


def machine() -> str:
    """Date, processor, versions and load, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = names[0].split(":")[1].strip() if names else platform.processor()
    return (
        f"{datetime.date.today()}, {name}, torch {torch.__version__}, {torch.get_num_threads()} thread, "
        f"bf16 {torch.backends.cpu.get_cpu_capability()}, load of the machine {os.getloadavg()[0]:.1f}"
    )


def publish(text: str, out: Path | None) -> None:
    """Print a report and, if asked, keep it."""
    print(text)
    if out is not None:
        out.write_text(text + "\n")
