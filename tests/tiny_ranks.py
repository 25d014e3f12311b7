"""Tiny training runs on several ranks, for tests; each rank is a process of its own."""

import faulthandler
import json
import multiprocessing
import os
import signal
import socket
import sys
from pathlib import Path

import tiny_runs
import torch
from torch import nn

from patchworld.errors import PatchworldError
from patchworld.train import TrainConfig, checkpoint, loop, parallel
from patchworld.train.loop import Loss
from patchworld.train.order import generator

# One process that has imported all and run nothing; the ranks are its children, which saves them the import.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tiny_ranks"])
STEPS = 6


def start(size: int, function, *arguments, **options) -> list:
    """Call the function on `size` ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [
        processes.Process(target=_rank, args=(rank, size, port, function, arguments, options)) for rank in range(size)
    ]
    for process in ranks:
        process.start()
    return ranks


def run(size: int, function, *arguments, **options) -> list[int]:
    """The same, and how each of them ended."""
    ranks = start(size, function, *arguments, **options)
    for process in ranks:
        process.join(100)
        process.kill()  # where it hangs
        process.join()
    return [process.exitcode for process in ranks]


def _rank(rank, size, port, function, arguments, options) -> None:
    faulthandler.enable()  # what crashes in C tells where each thread was
    torch.set_num_threads(1)
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in places.items()}
    loop.matmul_peak = lambda dtype: 1e9  # a figure for people, which takes longer than the run
    try:
        function(*arguments, **options)
    except PatchworldError as error:  # as the command line does
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)


def _tell_in(folder: Path) -> int:
    """What this rank has to tell goes into a file. Its number."""
    rank = int(os.environ["RANK"])
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr = (folder / f"told-{rank}.txt").open("a", buffering=1)
    return rank


def transformer(
    folder: Path,
    kill_at: int | None = None,
    stop_after: int | None = None,
    sabotage: str = "",
    recompute: int = 0,
    **settings,
) -> None:
    """Train the tiny transformer in fp32. Which samples a rank saw is in seen-RANK.txt.

    Rank 1 is killed before its part number `kill_at`, or stopped by Ctrl-C after `stop_after` steps. `sabotage` is what
    is done wrong.
    """
    rank, seen = _tell_in(folder), 0
    task = tiny_runs.transformer_task(folder.parent / "data")
    task.denoiser.recompute = recompute
    compute, parts = task.loss, task.parts

    def loss(part):
        nonlocal seen
        if seen == kill_at and rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if rank == 1 and stop_after and part // task.packs_per_step == stop_after - 1:
            os.kill(os.getpid(), signal.SIGINT)
        seen += 1
        with (folder / f"seen-{rank}.txt").open("a") as file:
            file.write(f"{part} {' '.join(task.names(part))}\n")
        return compute(part)

    task.loss = loss
    SABOTAGES.get(sabotage, lambda: None)()
    if sabotage == "parts differ":
        task.parts = lambda step: [part + rank for part in parts(step)]
    config = tiny_runs.config("transformer", STEPS).model_dump() | {"stages": (), "optimizer": "adamw"}
    loop.train(task, TrainConfig(**config | settings), folder)


def _wrong_words() -> None:
    attend = parallel._attend_by_heads

    def wrong(group, plain, q, k, v, text_k, text_v, spans):
        return attend(group, plain, q, k, v, text_k.flip(1), text_v, spans)

    parallel._attend_by_heads = wrong


def _copies_apart() -> None:
    parallel.Spread.sum_copies = lambda self, now: self.set_requires_all_reduce(False)


def _no_moments() -> None:
    fill = checkpoint.fill
    checkpoint.fill = lambda named, values: None if "0.exp_avg" in named else fill(named, values)


def _not_judged() -> None:
    loop.Health.trouble = lambda self, loss, norm: None


SABOTAGES = {
    "wrong words": _wrong_words,
    "copies apart": _copies_apart,
    "no moments": _no_moments,
    "not judged": _not_judged,
}


def autoencoder(folder: Path) -> None:
    """Train the tiny autoencoder in fp32."""
    _tell_in(folder)
    task = tiny_runs.autoencoder_task(folder.parent / "clips")
    config = tiny_runs.config("autoencoder", STEPS)
    loop.train(task, config, folder)


BAD = {"nan": float("nan"), "inf": float("inf"), "a hundredfold loss": 100.0, "a huge gradient": 1e6}


class Line:
    """A line to fit. What is `bad` about part 1 of a step is a name in BAD, or nothing."""

    def __init__(self, bad: dict[int, str]) -> None:
        torch.manual_seed(0)
        self.module, self.bad = nn.Linear(3, 1), bad

    def parts(self, step):
        return [(step, number) for number in range(2)]

    def names(self, part):
        return [f"clip {part[0]}-{part[1]}"]

    def loss(self, part):
        x = torch.randn(8, 3, generator=generator(0, *part))
        loss = (self.module(x) - 2 * x.sum(1, keepdim=True)).square().mean() + 1
        step, number = part
        if number == 1 and step in self.bad:
            worse = loss * BAD[self.bad[step]]
            loss = worse - worse.detach() + loss.detach() if self.bad[step] == "a huge gradient" else worse
        return Loss(loss, 8, 1.0)

    def evaluate(self, folder, step):
        (folder / "picture").write_text("seen")
        return {"weight": self.module.weight.sum().item()}

    def export(self, folder):
        folder.mkdir(exist_ok=True)
        (folder / "weights").write_text(repr(self.module.weight.tolist()))


def line(
    folder: Path,
    bad: dict[int, str] | None = None,
    on_trouble: str = "stop",
    steps: int = 8,
    sabotage: str = "",
    out: Path | None = None,
) -> None:
    """Fit the line, in `out` or `folder`. The weights with which a rank computes a part are in weights-RANK.txt."""
    rank, task = _tell_in(folder), Line(bad or {})
    SABOTAGES.get(sabotage, lambda: None)()
    compute = task.loss

    def loss(part):
        with (folder / f"weights-{rank}.txt").open("a") as file:
            file.write(f"{json.dumps([part, task.module.weight.tolist()])}\n")
        return compute(part)

    task.loss = loss  # type: ignore[method-assign]
    settings = {"steps": steps, "precision": "fp32", "lr_warmup_steps": 0, "on_trouble": on_trouble}
    loop.train(task, TrainConfig(**settings), out or folder)
