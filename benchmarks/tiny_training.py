"""What the scripts that harm a training run share: clips, the real command as a run of seconds, and the comparison of
a run that was harmed with one that was not.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from patchworld import cli
from patchworld.train import TrainConfig, loop, parallel
from patchworld.video import Clip

SAVE_EVERY = 5  # steps


def make_clips(folder: Path, count: int = 8) -> None:
    """Clips of a square that moves, with captions."""
    folder.mkdir()
    for number in range(count):
        pixels = np.full((9, 32, 32, 3), 100, np.uint8)
        for frame in range(9):
            pixels[frame, 8:16, frame * 2 : frame * 2 + 8] = (30 * number % 256, 200, 40)
        Clip(pixels, 8.0).save(folder / f"{number}.mp4")
        (folder / f"{number}.txt").write_text(f"square {number} moves to the right")


def command(data: Path, out: Path, steps: int, parts: int = 1) -> list[str]:
    """A tiny transformer, in two stages and with tokens dropped."""
    words = ["train", "transformer", "--data", str(data), "--out", str(out), "--steps", str(steps)]
    words += ["--parts", str(parts)]
    words += ["--preset", "tiny", "--tokens", "64", "--precision", "fp32", "--sample-minutes", "1000"]
    return [*words, "--stages", "0.5,1:drop=0.5"]


def run(words: list[str], notes: Path) -> int:
    """The real command, with a checkpoint every few steps, and the loss of a step noted whenever it is computed."""
    sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115  progress is of no interest
    torch.set_num_threads(1)
    TrainConfig.model_fields["save_minutes"].default = 1e-9
    TrainConfig.model_rebuild(force=True)
    save_checkpoint = loop.save_checkpoint

    def save(folder: Path, step: int, *what: Any) -> None:
        if step % SAVE_EVERY == 0:
            save_checkpoint(folder, step, *what)

    def noted(add_gradients: Callable[..., Any], place: int) -> Callable[..., Any]:
        def add(*given: Any) -> Any:
            answer = add_gradients(*given)
            if os.environ.get("RANK", "0") == "0":
                with notes.open("a") as file:
                    file.write(f"{given[place]} {loop.mean(answer[0]).hex()}\n")
            return answer

        return add

    loop.add_gradients = noted(loop.add_gradients, 1)
    parallel.Ranks.add_gradients = noted(parallel.Ranks.add_gradients, 2)  # type: ignore[method-assign]
    loop.save_checkpoint = save
    loop.matmul_peak = lambda dtype: 1e9  # a figure for people that takes a second of every life
    return cli.main(words)


def notes_of(out: Path) -> Path:
    return out.with_name(out.name + "-losses.txt")


def noted_losses(out: Path) -> dict[int, list[str]]:
    """Of every step, each time that it was computed, to the last bit."""
    found: dict[int, list[str]] = {}
    for line in notes_of(out).read_text().splitlines():
        step, loss = line.split()
        found.setdefault(int(step), []).append(loss)
    return found


def compare(killed: Path, whole: Path, steps: int) -> tuple[dict[str, object], bool]:
    """A run beside the one to which nothing happened: the columns of a table, and whether they are equal."""
    ours, theirs = noted_losses(killed), {step: found[0] for step, found in noted_losses(whole).items()}
    replays = [(found[0], loss) for found in ours.values() for loss in found[1:]]
    wrong_replays = sum(first != loss for first, loss in replays)
    wrong_steps = sum(set(ours.get(step, [])) != {loss} for step, loss in theirs.items())
    mine, other = _hashes(killed, steps), _hashes(whole, steps)
    wrong_files = sum(mine[name] != other[name] for name in other)
    columns = {
        "steps": len(theirs),
        "computed again": len(replays),
        "with another loss": wrong_replays,
        "losses unlike the whole run": wrong_steps,
        "files unlike it": f"{wrong_files} of {len(other)}",
    }
    return columns, not (wrong_replays or wrong_steps or wrong_files)


def _hashes(out: Path, steps: int) -> dict[str, str]:
    """Of weights, average and moments; the rest of a checkpoint holds times."""
    manifest = json.loads((out / "checkpoints" / f"step-{steps:08d}" / "manifest.json").read_text())
    return {name: entry["sha256"] for name, entry in manifest.items() if name != "state.json"}


def wait_for_steps(out: Path, steps: int, ended: Callable[[], bool]) -> None:
    """Until so many more steps have been computed, or it has ended."""

    def done() -> int:
        return notes_of(out).read_bytes().count(b"\n") if notes_of(out).exists() else 0

    last = done() + steps
    while not ended() and done() < last:
        time.sleep(0.005)


def saves_in_progress(out: Path) -> set[tuple[str, int]]:
    """Saves that have begun and not ended, by name and number: what an earlier kill left has another number."""
    return {(path.name, path.stat().st_ino) for path in (out / "checkpoints").glob("*.partial") if path.exists()}


def table(title: str, machine: str, rows: list[dict[str, object]]) -> str:
    lines = [f"# {title}", "", machine, "", "| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row.values())) + " |" for row in rows)])
