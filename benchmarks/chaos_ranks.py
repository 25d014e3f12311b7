"""When a rank of several is killed, do the others end, and is the run that goes on the one that nobody killed?

    python benchmarks/chaos_ranks.py --ranks 4 --kills 10 [--steps N] [--seed S] [--forget] [--out FILE]

The real command trains a tiny transformer under torchrun, which starts all ranks again when one has died; they are
forked from a process that has imported everything. One rank, drawn at random, is killed by SIGKILL some steps after
each start. Prints a table: the longest time until all ranks of a killed run were gone, those that were left then, and
the comparison of chaos_train.py. Exits 1 if anything differs, a rank is left, or it took more than 30 seconds.

`--forget` is the saboteur: moments are not brought back on any rank, which has to show.
"""

import argparse
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import tiny_training
from measure import machine, publish
from tiny_training import compare, make_clips, notes_of, table, wait_for_steps
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from patchworld.train import checkpoint

LONGEST_END = 30.0  # seconds that the ranks of a run may take to end when one of them has died
MOST_STEPS = 8  # of a life before its kill
multiprocessing.set_forkserver_preload(["patchworld.cli", "patchworld.model", "patchworld.train"])


def rank(words: list[str], out: Path, forget: bool) -> None:
    """One rank, in a process of its own, whose number is told in a file."""
    out.with_name(f"{out.name}-rank-{os.environ['RANK']}").write_text(str(os.getpid()))
    if forget:
        fill = checkpoint.fill
        checkpoint.fill = lambda named, values: None if "0.exp_avg" in named else fill(named, values)
    if status := tiny_training.run(words, notes_of(out)):
        raise SystemExit(status)


def launch(words: list[str], out: Path, ranks: int, restarts: int, forget: bool = False) -> None:
    """What torchrun does with `--nproc-per-node` and `--max-restarts`."""
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=restarts,
        monitor_interval=0.1,
        start_method="forkserver",
    )
    elastic_launch(config, rank)(words, out, forget)


def kill_ranks(out: Path, ranks: int, kills: int, draw: random.Random, ends: list[tuple[float, int]]) -> None:
    """Kill a rank of each life, `kills` times: into `ends`, the seconds until all were gone and how many were not."""
    killed: set[int] = set()
    while len(ends) < kills:
        wait_for_steps(out, draw.randint(1, MOST_STEPS), lambda: False)
        time.sleep(draw.uniform(0, 0.5))
        alive = [int(path.read_text() or 0) for path in out.parent.glob(f"{out.name}-rank-*")]
        if len(alive) < ranks or killed & set(alive):
            continue  # some have only just been started
        killed |= set(alive)
        started = time.perf_counter()
        os.kill(draw.choice(alive), signal.SIGKILL)
        while any(map(runs, alive)) and time.perf_counter() - started < LONGEST_END:
            time.sleep(0.01)
        ends.append((time.perf_counter() - started, sum(map(runs, alive))))


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100, help="a multiple of 5; default 100")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forget", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # of torchrun, about each kill
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / name for name in ("data", "whole", "killed"))
        make_clips(data)
        launch(tiny_training.command(data, whole, options.steps, options.ranks), whole, options.ranks, 0)
        ends: list[tuple[float, int]] = []
        harm = (killed, options.ranks, options.kills, random.Random(options.seed), ends)
        threading.Thread(target=kill_ranks, args=harm, daemon=True).start()
        words = tiny_training.command(data, killed, options.steps, options.ranks)
        launch(words, killed, options.ranks, options.kills, options.forget)
        columns, equal = compare(killed, whole, options.steps)
    slowest, left = max(seconds for seconds, _ in ends), sum(number for _, number in ends)
    first = {"ranks": options.ranks, "forgotten on purpose": "moments" if options.forget else "nothing"}
    first |= {"kills": len(ends), "all ended after, at most": f"{slowest:.1f} s", "ranks left": left}
    rows = [{**first, **columns, "seconds": round(time.perf_counter() - began)}]
    title = f"benchmarks/chaos_ranks.py --ranks {options.ranks} --kills {options.kills} --seed {options.seed}"
    publish(table(title, machine(), rows), options.out)
    sys.exit(equal == options.forget or left > 0)


if __name__ == "__main__":
    main()
