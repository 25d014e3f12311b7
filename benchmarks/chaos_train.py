"""Is a training run that is killed at random, from outside, the run that is not?

    python benchmarks/chaos_train.py --kills 50 [--steps N] [--seed S] [--forget WHAT ...] [--out FILE]

The real command trains a tiny transformer on clips it makes itself, in two stages and with tokens dropped, once whole
and once killed by SIGKILL: at random times after its first step, and every third time as soon as a save has begun.
Prints a table: kills, how many fell within a save, steps computed again and those among them with another loss, steps
whose loss is not that of the whole run, files of the last checkpoint that differ. Exits 1 if anything does.

`--forget` names saboteurs, a row each: a part of what a run knows is not brought back, which has to show. Exits 1 too
if one does not.
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import tiny_training
from measure import machine, publish
from tiny_training import compare, make_clips, notes_of, saves_in_progress, table, wait_for_steps

from patchworld.train import loop, transformer

WITHIN_SAVE = 3  # one kill in so many waits for a save
MOST_STEPS = 8  # of a life before its kill
FORGOTTEN = ("optimizer", "ema", "stage", "loader", "noise", "learning rate")
# One process that has imported all and run nothing; the runs are its children, so that killing one costs no import.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["patchworld.cli", "patchworld.model", "patchworld.train"])


def command(words: list[str], notes: Path, forgotten: str | None) -> None:
    if forgotten:
        forget(forgotten)
    sys.exit(tiny_training.run(words, notes))


def forget(what: str) -> None:
    """The part of a run's state of that name is not brought back."""
    load_newest = loop.load_newest

    def load(folder: Path, module: Any, ema: dict, optimizer: Any) -> Any:
        if what == "ema":
            ema = {name: mean.clone() for name, mean in ema.items()}
        state = load_newest(folder, module, ema, optimizer)
        if state:
            FORGET.get(what, lambda *of: None)(state, optimizer)
        return state

    loop.load_newest = load


def _optimizer(state: dict, optimizer: Any) -> None:
    for part in optimizer.parts:
        part.state.clear()


def _stage(state: dict, optimizer: Any) -> None:
    state["stage"] = (-1, 0)


def _loader(state: dict, optimizer: Any) -> None:
    """The samples begin anew, as in a loader whose place nobody kept."""
    parts = transformer.TransformerTask.parts
    transformer.TransformerTask.parts = lambda task, step: parts(task, max(step - state["step"], task.stage_step))


def _noise(state: dict, optimizer: Any) -> None:
    """What is random about a sample is drawn by a generator that begins anew."""
    generator = transformer.generator
    transformer.generator = lambda *of: generator(*of, state["step"])


def _learning_rate(state: dict, optimizer: Any) -> None:
    """It warms up again."""
    rate = loop.learning_rate
    loop.learning_rate = lambda config, step, seconds: (
        rate(config, step, seconds) * (min(1.0, (step - state["step"] + 1) / 100))
    )


FORGET: dict[str, Callable[[dict, Any], None]] = {
    "optimizer": _optimizer,
    "stage": _stage,
    "loader": _loader,
    "noise": _noise,
    "learning rate": _learning_rate,
}


def start(data: Path, out: Path, steps: int, forgotten: str | None = None) -> BaseProcess:
    process = processes.Process(
        target=command, args=(tiny_training.command(data, out, steps), notes_of(out), forgotten)
    )
    process.start()
    return process


def kill_once(process: BaseProcess, out: Path, draw: random.Random, in_save: bool) -> tuple[bool, bool]:
    """Kill it some steps after its first one, or in its next save: was it still running, and within a save?"""
    left = saves_in_progress(out)
    if in_save:
        while process.is_alive() and saves_in_progress(out) <= left:
            time.sleep(0.0005)
    else:
        wait_for_steps(out, draw.randint(1, MOST_STEPS), lambda: not process.is_alive())
        time.sleep(draw.uniform(0, 0.05))  # a step, or more
    if not process.is_alive():
        return False, False
    process.kill()
    process.join()
    return True, not saves_in_progress(out) <= left


def row(data: Path, whole: Path, kills: int, options: argparse.Namespace, forgotten: str | None) -> tuple[dict, bool]:
    draw, started = random.Random(options.seed), time.perf_counter()
    killed = whole.with_name(f"without {forgotten}")
    done = within = 0
    while done < kills:
        process = start(data, killed, options.steps, forgotten)
        alive, in_save = kill_once(process, killed, draw, done % WITHIN_SAVE == WITHIN_SAVE - 1)
        if not alive:
            break  # it came to its end
        done, within = done + 1, within + in_save
    finish(start(data, killed, options.steps, forgotten))
    columns, equal = compare(killed, whole, options.steps)
    first = {"forgotten on purpose": forgotten or "nothing", "kills": done, "within a save": within}
    return {**first, **columns, "seconds": round(time.perf_counter() - started)}, equal


def finish(process: BaseProcess) -> None:
    process.join()
    if process.exitcode:
        sys.exit("a run that nobody kills fails")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=250, help="a multiple of 5; default 250")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forget", nargs="+", choices=FORGOTTEN, default=[])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows, wrong = [], False
    with tempfile.TemporaryDirectory() as folder:
        data, whole = Path(folder) / "data", Path(folder) / "whole"
        make_clips(data)
        finish(start(data, whole, options.steps))
        for forgotten in (None, *options.forget):
            columns, equal = row(data, whole, options.kills, options, forgotten)
            rows.append(columns)
            print(columns, file=sys.stderr, flush=True)
            wrong |= equal == bool(forgotten)
    title = f"benchmarks/chaos_train.py --kills {options.kills} --steps {options.steps} --seed {options.seed}"
    publish(table(title, machine(), rows), options.out)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
