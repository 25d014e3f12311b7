"""Is a training run that is killed at random, from outside, the run that is not?

    python benchmarks/chaos_train.py --kills 50 [--steps N] [--seed S] [--forget WHAT] [--out FILE]

The real command trains a tiny transformer on clips it makes itself, in two stages and with tokens dropped, once whole
and once killed by SIGKILL: at random times after its first step, and every fourth time as soon as a save has begun.
Prints a table: kills, how many fell within a save, steps computed more than once and those among them with another
loss, steps whose loss is not that of the whole run, files of the last checkpoint that differ. Exits 1 if anything does.

`--forget optimizer`, or ema, is the saboteur: that part of a checkpoint is not brought back, which has to show.
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import sys
import tempfile
import time
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch

from patchworld import cli
from patchworld.train import TrainConfig, loop
from patchworld.video import Clip

WITHIN_SAVE = 4  # one kill in so many waits for a save
SAVE_MINUTES = 0.005
# One process that has imported all and run nothing; the runs are its children, so that killing one costs no import.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["patchworld.cli", "patchworld.model", "patchworld.train"])


def command(arguments: list[str], notes: Path, forget: str) -> None:
    """The real command, with a checkpoint three times a second, its losses noted wherever they are
    computed, and without the part of a checkpoint that is to be forgotten.
    """
    sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115  progress is of no interest
    torch.set_num_threads(1)
    TrainConfig.model_fields["save_minutes"].default = SAVE_MINUTES
    TrainConfig.model_rebuild(force=True)
    add_gradients, load_newest = loop.add_gradients, loop.load_newest

    def noted(task, step, *more):
        answer = add_gradients(task, step, *more)
        with notes.open("a") as file:
            file.write(f"{step} {answer[0].hex()}\n")
        return answer

    def forgetting(folder, module, ema, optimizer, *more):
        if forget == "ema":
            return load_newest(folder, module, {name: mean.clone() for name, mean in ema.items()}, optimizer, *more)
        state = load_newest(folder, module, ema, optimizer, *more)
        if forget == "optimizer":
            for part in optimizer.parts:
                part.state.clear()
        return state

    loop.add_gradients, loop.load_newest = noted, forgetting
    loop.matmul_peak = lambda dtype: 1e9  # a figure for people that takes a second of every life
    sys.exit(cli.main(arguments))


def make_clips(folder: Path, count: int = 8) -> None:
    """Clips of a square that moves, with captions."""
    folder.mkdir()
    for number in range(count):
        pixels = np.full((9, 32, 32, 3), 100, np.uint8)
        for frame in range(9):
            pixels[frame, 8:16, frame * 2 : frame * 2 + 8] = (30 * number % 256, 200, 40)
        Clip(pixels, 8.0).save(folder / f"{number}.mp4")
        (folder / f"{number}.txt").write_text(f"square {number} moves to the right")


def start(data: Path, out: Path, steps: int, forget: str = "nothing") -> BaseProcess:
    options = ["--preset", "tiny", "--tokens", "64", "--precision", "fp32", "--sample-minutes", "1000"]
    options += ["--stages", "0.5,1:drop=0.5"]
    words = ["train", "transformer", "--data", str(data), "--out", str(out), "--steps", str(steps), *options]
    process = processes.Process(target=command, args=(words, notes(out), forget))
    process.start()
    return process


def fails(process: BaseProcess) -> bool:
    process.join()
    return process.exitcode != 0


def notes(out: Path) -> Path:
    return out.with_name(out.name + "-losses.txt")


def losses(out: Path) -> dict[int, list[str]]:
    """Of every step, each time that it was computed, to the last bit."""
    found: dict[int, list[str]] = {}
    for line in notes(out).read_text().splitlines():
        step, loss = line.split()
        found.setdefault(int(step), []).append(loss)
    return found


def hashes(out: Path, steps: int) -> dict[str, str]:
    """Of weights, average and moments; the rest of a checkpoint holds times."""
    manifest = json.loads((out / "checkpoints" / f"step-{steps:08d}" / "manifest.json").read_text())
    return {name: entry["sha256"] for name, entry in manifest.items() if name != "state.json"}


def kill_once(process: BaseProcess, out: Path, delay: float, in_save: bool) -> tuple[bool, bool]:
    """Kill it `delay` seconds after its first step, or in its next save: was it still running, and within a save?"""

    def size() -> int:
        return notes(out).stat().st_size if notes(out).exists() else 0

    def saves() -> set[tuple[str, int]]:
        """Those that have begun and not ended, by name and number: what an earlier kill left has another number."""
        return {(path.name, path.stat().st_ino) for path in (out / "checkpoints").glob("*.partial") if path.exists()}

    began, left = size(), saves()
    while process.is_alive() and size() <= began:
        time.sleep(0.01)
    if in_save:
        while process.is_alive() and saves() <= left:
            time.sleep(0.0005)
    else:
        time.sleep(delay)
    if not process.is_alive():
        return False, False
    process.kill()
    process.join()
    return True, not saves() <= left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forget", choices=("nothing", "optimizer", "ema"), default="nothing")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    draw, started = random.Random(options.seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / name for name in ("data", "whole", "killed"))
        make_clips(data)
        if fails(start(data, whole, options.steps)):
            sys.exit("the run that is not killed fails")
        kills = within = 0
        while kills < options.kills:
            process = start(data, killed, options.steps, options.forget)
            done, in_save = kill_once(process, killed, draw.uniform(0, 2), kills % WITHIN_SAVE == WITHIN_SAVE - 1)
            if not done:
                break  # it came to its end
            kills, within = kills + 1, within + in_save
        if fails(start(data, killed, options.steps, options.forget)):
            sys.exit("the run that was killed cannot go on")
        ours, theirs = losses(killed), {step: found[0] for step, found in losses(whole).items()}
        replays = sum(len(found) - 1 for found in ours.values())
        wrong_replays = sum(loss != found[0] for found in ours.values() for loss in found)
        wrong_steps = sum(set(ours.get(step, [])) != {loss} for step, loss in theirs.items())
        mine, other = hashes(killed, options.steps), hashes(whole, options.steps)
        wrong_files = [name for name in other if mine[name] != other[name]]
    rows = [
        f"{date.today()}, {platform.machine()}, torch {torch.__version__}, seed {options.seed}, "
        f"forgotten on purpose: {options.forget}",
        "",
        "| kills | in a save | steps | repeated | other losses | unlike the whole run | files unlike it | seconds |",
        "|---|---|---|---|---|---|---|---|",
        f"| {kills} | {within} | {len(theirs)} | {replays} | {wrong_replays} | {wrong_steps} | "
        f"{len(wrong_files)} of {len(other)} | {time.perf_counter() - started:.0f} |",
    ]
    text = "\n".join(rows) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)
    sys.exit(bool(wrong_replays or wrong_steps or wrong_files))


if __name__ == "__main__":
    main()
