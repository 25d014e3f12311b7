"""What does it bring to dream several requests at once?

    python benchmarks/serving.py

Eight equal requests wait in the queue of one worker, which may put so many tokens into one pack. One token is one at a
time. All ways take turns; the median is of the CPU time of the process until everything is on the disk, and until the
first is. With --wall it is of the time on the clock, for a machine that does nothing else: small passes leave its
other cores idle.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from measure import machine, publish

import patchworld
from patchworld.serve.settings import Settings
from patchworld.serve.store import Store
from patchworld.serve.worker import open_queue, work

KINDS = {
    "image of 64x64": (1, (64, 64)),
    "1 s of 64x64": (9, (64, 64)),
    "2 s of 64x64": (17, (64, 64)),
    "2 s of 96x96": (17, (96, 96)),
    "2 s of 128x128": (17, (128, 128)),
}
BUDGETS = (1, 256, 512, 1024)
PROMPTS = ("a red ball rolls to the left on grass", "a blue cube", "一个绿色的球落在沙子上", "two yellow cones on snow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    clock, unit = (time.perf_counter, "seconds") if options.wall else (time.process_time, "CPU seconds")
    model = patchworld.load()
    lines = [
        f"| {options.requests} requests | tokens of each | tokens in a pack | {unit} for all | a second | "
        "times one at a time | until the first | on average |",
        "|" + "---|" * 8,
    ]
    for name, (frames, size) in KINDS.items():
        measured: dict[int, list[list[float]]] = {budget: [] for budget in BUDGETS}
        for turn in range(options.rounds + 1):
            for budget in BUDGETS:
                ends = finished(model, clock, budget, frames, size, options.requests)
                if turn:  # the first warms up
                    measured[budget].append([ends[-1], ends[0], statistics.mean(ends)])
        medians = {
            budget: [statistics.median(kind) for kind in zip(*rows, strict=True)] for budget, rows in measured.items()
        }
        each = (1 + (frames - 1) // 4) * size[0] * size[1] // 256
        for budget, (whole, first, mean) in medians.items():
            lines.append(
                f"| {name} | {each} | {budget} | {whole:.2f} | {options.requests / whole:.2f} | "
                f"{medians[1][0] / whole:.2f} | {first:.2f} | {mean:.2f} |"
            )
    publish("\n".join(["# Requests dreamed at once", "", machine(), "", *lines]), options.out)


def finished(
    model: patchworld.Model, clock: Callable[[], float], budget: int, frames: int, size: tuple[int, int], number: int
) -> list[float]:
    """Seconds until each of the requests was finished, in order."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(folder=Path(folder), batch=budget)
        queue, store, leaving = open_queue(settings), Store(settings.folder), threading.Event()
        for seed in range(number):
            arguments = {"prompt": PROMPTS[seed % len(PROMPTS)], "frames": frames, "size": list(size), "fps": 8.0}
            asked = {
                "verb": "generate",
                "arguments": arguments,
                "negative": "",
                "frames": frames,
                "size": f"{size[0]}x{size[1]}",
                "sampling": {"seed": seed, "steps": 8, "guidance": 3.0},
            }
            store.job_folder(queue.submit("ann", asked).id).mkdir()
        time.sleep(0.2)  # they have waited for other workers
        started = clock()
        worker = threading.Thread(target=work, args=(model, settings, leaving))
        worker.start()
        ends: list[float] = []
        while len(ends) < number:
            time.sleep(0.02)
            counts = queue.counts()
            assert not counts["failed"]
            ends += [clock() - started] * (counts["completed"] - len(ends))
        leaving.set()
        worker.join()
    return ends


if __name__ == "__main__":
    main()
