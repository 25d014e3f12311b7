"""Is a training run that is killed at random, from outside, the run that is not?

    python benchmarks/chaos_train.py --kills 50 [--ranks N] [--steps N] [--seed S] [--out FILE]

The real command trains a tiny transformer on clips it makes itself, once whole and once killed by SIGKILL at random
times after its first step. With several ranks, torchrun starts them and one is killed, so that the others have to end
by themselves. Prints a table: kills, how many fell within a save, the longest time until a killed run had ended and the
processes that it left, steps with another loss, files of the last checkpoint that differ. Exits 1 if anything does.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch

from patchworld.video import Clip

LONGEST_END = 30  # seconds that the other ranks may take to end
# The command, with a checkpoint after every few seconds instead of minutes.
CHILD = """
import sys
from patchworld import cli
from patchworld.train import TrainConfig
TrainConfig.model_fields["save_minutes"].default = 0.01
TrainConfig.model_rebuild(force=True)
sys.exit(cli.main(sys.argv[1:]))
"""


def make_clips(folder: Path) -> None:
    """Eight clips of a square that moves, with captions."""
    folder.mkdir()
    for number in range(8):
        pixels = np.full((9, 32, 32, 3), 100, np.uint8)
        for frame in range(9):
            pixels[frame, 8:16, frame * 2 : frame * 2 + 8] = (30 * number, 200, 40)
        Clip(pixels, 8.0).save(folder / f"{number}.mp4")
        (folder / f"{number}.txt").write_text(f"square {number} moves to the right")


def start(data: Path, out: Path, steps: int, ranks: int) -> subprocess.Popen:
    options = ["--preset", "tiny", "--tokens", "64", "--precision", "fp32", "--sample-minutes", "1000"]
    command = ["train", "transformer", "--data", str(data), "--out", str(out), "--steps", str(steps), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--no-python"]
    whole = [sys.executable, "-c", CHILD, *command]
    if ranks > 1:
        whole = [sys.executable, *launcher, *whole]
    return subprocess.Popen(whole, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def processes_of(launcher: int) -> list[int]:
    """The ranks that a torchrun has started."""
    return [int(child) for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


def losses(out: Path) -> dict[int, float]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def hashes(out: Path, steps: int) -> dict[str, str]:
    """Of weights, average and moments; the rest of a checkpoint holds times."""
    manifest = json.loads((out / "checkpoints" / f"step-{steps:08d}" / "manifest.json").read_text())
    return {name: entry["sha256"] for name, entry in manifest.items() if name != "state.json"}


@dataclass(frozen=True)
class Kill:
    """What a kill hit, and what it left."""

    within_save: bool
    seconds: float  # until all had ended
    orphans: int


def kill_once(process: subprocess.Popen, out: Path, ranks: int, draw: random.Random) -> Kill | None:
    """Kill it, or one of its ranks, up to four seconds after its first step; None: it had come to its end."""
    metrics = out / "metrics.jsonl"
    began = metrics.stat().st_size if metrics.exists() else 0
    while process.poll() is None and (metrics.stat().st_size if metrics.exists() else 0) <= began:
        time.sleep(0.01)
    time.sleep(draw.uniform(0, 4))
    if process.poll() is not None:
        return None
    all_ranks = processes_of(process.pid) if ranks > 1 else [process.pid]
    killed = time.perf_counter()
    os.kill(draw.choice(all_ranks), signal.SIGKILL)
    within_save = any((out / "checkpoints").glob("*.partial"))
    process.wait()
    seconds = time.perf_counter() - killed
    return Kill(within_save, seconds, sum(Path(f"/proc/{rank}").exists() for rank in all_ranks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    draw, started = random.Random(options.seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / name for name in ("data", "whole", "killed"))
        make_clips(data)
        if start(data, whole, options.steps, options.ranks).wait():
            sys.exit("the run that is not killed fails")
        kills: list[Kill] = []
        while len(kills) < options.kills:
            kill = kill_once(start(data, killed, options.steps, options.ranks), killed, options.ranks, draw)
            if kill is None:
                break
            kills.append(kill)
        if start(data, killed, options.steps, options.ranks).wait():
            sys.exit("the run that was killed cannot go on")
        ours, theirs = losses(killed), losses(whole)
        wrong_steps = sum(ours.get(step) != theirs.get(step) for step in ours.keys() | theirs.keys())
        mine, other = hashes(killed, options.steps), hashes(whole, options.steps)
        wrong_files = [name for name in other if mine[name] != other[name]]
    slowest, orphans = max((kill.seconds for kill in kills), default=0.0), sum(kill.orphans for kill in kills)
    rows = [
        f"{date.today()}, {platform.machine()}, torch {torch.__version__}, seed {options.seed}",
        "",
        "| ranks | kills | within a save | ended after, at most | orphans | steps | steps with another loss "
        "| files that differ | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| {options.ranks} | {len(kills)} | {sum(kill.within_save for kill in kills)} | {slowest:.1f} s | {orphans} "
        f"| {len(theirs)} | {wrong_steps} | {len(wrong_files)} of {len(other)} | {time.perf_counter() - started:.0f} |",
    ]
    text = "\n".join(rows) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)
    sys.exit(bool(wrong_steps or wrong_files or orphans or slowest > LONGEST_END))


if __name__ == "__main__":
    main()
