"""Is a training run that is killed at random, from outside, the run that is not?

    python benchmarks/chaos_train.py --kills 50 [--steps N] [--seed S] [--out FILE]

The real command trains a tiny transformer on clips it makes itself, once whole and once killed by SIGKILL at random
times after its first step. Prints a table: kills, how many fell within a save, steps with another loss, files of the
last checkpoint that differ. Exits 1 if anything does.
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
from datetime import date
from pathlib import Path

import numpy as np
import torch

from patchworld.video import Clip

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


def start(data: Path, out: Path, steps: int) -> subprocess.Popen:
    options = ["--preset", "tiny", "--tokens", "64", "--precision", "fp32", "--sample-minutes", "1000"]
    command = ["train", "transformer", "--data", str(data), "--out", str(out), "--steps", str(steps), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", CHILD, *command], env=environment, stderr=subprocess.DEVNULL)


def losses(out: Path) -> dict[int, float]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def hashes(out: Path, steps: int) -> dict[str, str]:
    """Of weights, average and moments; the rest of a checkpoint holds times."""
    manifest = json.loads((out / "checkpoints" / f"step-{steps:08d}" / "manifest.json").read_text())
    return {name: entry["sha256"] for name, entry in manifest.items() if name != "state.json"}


def kill_once(process: subprocess.Popen, out: Path, delay: float) -> tuple[bool, bool]:
    """Kill it `delay` seconds after its first step: was it still running, and within a save?"""
    metrics = out / "metrics.jsonl"
    began = metrics.stat().st_size if metrics.exists() else 0
    while process.poll() is None and (metrics.stat().st_size if metrics.exists() else 0) <= began:
        time.sleep(0.01)
    time.sleep(delay)
    if process.poll() is not None:
        return False, False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True, any((out / "checkpoints").glob("*.partial"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    draw, started = random.Random(options.seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / name for name in ("data", "whole", "killed"))
        make_clips(data)
        if start(data, whole, options.steps).wait():
            sys.exit("the run that is not killed fails")
        kills = within = 0
        while kills < options.kills:
            done, in_save = kill_once(start(data, killed, options.steps), killed, draw.uniform(0, 4))
            if not done:
                break  # it came to its end
            kills, within = kills + 1, within + in_save
        if start(data, killed, options.steps).wait():
            sys.exit("the run that was killed cannot go on")
        ours, theirs = losses(killed), losses(whole)
        wrong_steps = sum(ours.get(step) != theirs.get(step) for step in ours.keys() | theirs.keys())
        mine, other = hashes(killed, options.steps), hashes(whole, options.steps)
        wrong_files = [name for name in other if mine[name] != other[name]]
    rows = [
        f"{date.today()}, {platform.machine()}, torch {torch.__version__}, seed {options.seed}",
        "",
        "| kills | within a save | steps | steps with another loss | files that differ | seconds |",
        "|---|---|---|---|---|---|",
        f"| {kills} | {within} | {len(theirs)} | {wrong_steps} | {len(wrong_files)} of {len(other)} | "
        f"{time.perf_counter() - started:.0f} |",
    ]
    text = "\n".join(rows) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)
    sys.exit(bool(wrong_steps or wrong_files))


if __name__ == "__main__":
    main()
