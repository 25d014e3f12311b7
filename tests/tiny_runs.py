"""Tiny training runs, whole or killed, for tests; each run is a process of its own."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from conftest import TINY_AUTOENCODER, TINY_TEXT
from tiny import moving_square

from patchworld.data import Sample
from patchworld.data.latents import LatentSample
from patchworld.diffusion import RectifiedFlow
from patchworld.dit import PRESETS
from patchworld.shapes import Shape
from patchworld.train import AutoencoderTask, Stage, TrainConfig, TransformerTask, loop
from patchworld.train import checkpoint as checkpoints
from patchworld.train.transformer import new_model
from patchworld.vae import Autoencoder

SHAPES = (Shape(2, 4, 4), Shape(1, 4, 6), Shape(3, 4, 4), Shape(1, 4, 4))
SAVE_EVERY = 3
CHAOS = int(os.environ.get("CHAOS", "1"))  # CHAOS=10: ten times the steps and kills
STEPS = 9 * CHAOS  # a whole number of saves


def transformer_task(folder: Path) -> TransformerTask:
    """On latents that are drawn, not encoded."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number, shape in enumerate(SHAPES):
        path = folder / f"{number}.npy"
        if not path.exists():
            draw = np.random.default_rng(number)
            np.save(path, draw.standard_normal((6, *shape)).astype(np.float16))
        samples.append(LatentSample(path, shape, 8.0, ("a red square", "红色方块"), None))
    torch.manual_seed(0)
    autoencoder = Autoencoder(TINY_AUTOENCODER)
    model = new_model(samples, autoencoder, RectifiedFlow(), PRESETS["tiny"], TINY_TEXT, (), 0)
    return TransformerTask(samples, model, 0, tokens_per_pack=16)


def autoencoder_task(folder: Path) -> AutoencoderTask:
    """On two clips of a moving square."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "a.mp4", folder / "b.mp4"]
    for path, frames in zip(paths, (5, 9), strict=True):
        if not path.exists():
            moving_square(frames, (16, 16)).save(path)
    samples = [Sample(path, ("a red square",)) for path in paths]
    return AutoencoderTask({"squares": samples}, TINY_AUTOENCODER, 0, fresh=False)


TASKS = {"transformer": transformer_task, "autoencoder": autoencoder_task}


def config(kind: str, steps: int = STEPS) -> TrainConfig:
    """In two stages, where there are some."""
    stages = (Stage(until=0.5, most_tokens=8), Stage(drop=0.3)) if kind == "transformer" else ()
    return TrainConfig(
        steps=steps,
        lr_warmup_steps=2,
        precision="fp32",
        threads=1,
        stages=stages,
        save_minutes=1e-9,
        sample_minutes=1e9,
    )


def run(kind: str, folder: Path, kill_at: int | None = None, forget: str | None = None) -> None:
    """Train in `folder`, told of in losses.txt; be killed before event number `kill_at`, within saves or without.

    `forget` names what a saboteur does not bring back from a checkpoint.
    """
    torch.set_num_threads(1)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  progress is of no interest
    events = 0

    def counted(function):
        def call(*args, **options):
            nonlocal events
            events += 1
            if events == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
    checkpoints.save_file = counted(checkpoints.save_file)
    torch.optim.AdamW.step = counted(torch.optim.AdamW.step)
    loop.update_average = counted(loop.update_average)
    loop.matmul_peak = lambda dtype: 1e9  # a figure for people, which takes longer than the run
    loop._evaluate = lambda *args: None
    add_gradients, save, load = loop.add_gradients, loop.save_checkpoint, loop.load_newest

    def logged(task, step, *args):
        answer = add_gradients(task, step, *args)
        with (folder / "losses.txt").open("a") as file:
            file.write(f"{step} {loop.mean(answer[0]).hex()}\n")
        return answer

    def saved(place, step, *args):
        if step % SAVE_EVERY == 0:
            save(place, step, *args)

    def loaded(place, module, ema, optimizer):
        if forget == "ema":
            return load(place, module, {name: tensor.clone() for name, tensor in ema.items()}, optimizer)
        state = load(place, module, ema, optimizer)
        if forget == "optimizer":
            for part in optimizer.parts:
                part.state.clear()
        elif forget == "stage" and state:
            state["stage"] = (-1, 0)
        return state

    loop.add_gradients, loop.save_checkpoint, loop.load_newest = logged, saved, loaded
    folder.mkdir(parents=True, exist_ok=True)
    loop.train(TASKS[kind](folder.parent / f"{kind}-data"), config(kind), folder)
