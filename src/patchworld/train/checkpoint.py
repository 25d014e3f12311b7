"""Checkpoints: all that a stopped run needs to go on, written whole or not at all.

A checkpoint is a folder `step-00001234` with tensors as safetensors and `state.json`. It is written under another
name and renamed when it is complete; then older ones are removed.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from patchworld.errors import InputError, RunError

KEPT = 2  # a damaged newest one leaves another


def save_checkpoint(
    folder: Path,
    step: int,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
) -> None:
    """Write the checkpoint of `step` into `folder`. `state` is any JSON object."""
    target = folder / f"step-{step:08d}"
    partial = target.with_name(target.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(
            {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, partial / "model.safetensors"
        )
        save_file({name: tensor.contiguous() for name, tensor in ema.items()}, partial / "ema.safetensors")
        save_file(_optimizer_tensors(optimizer), partial / "optimizer.safetensors")
        (partial / "state.json").write_text(json.dumps({"step": step, **state}))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise RunError(
            f"cannot write checkpoint {target} ({error}): free disk space and run the same command again"
        ) from error
    for old in list_checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints in `folder`, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")


def load_checkpoint(
    path: Path, model: nn.Module, ema: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Copy a checkpoint into `model`, `ema` and `optimizer`; returns its state."""
    try:
        tensors = load_file(path / "model.safetensors")
        averages = load_file(path / "ema.safetensors")
        moments = load_file(path / "optimizer.safetensors")
        state = json.loads((path / "state.json").read_text())
        model.load_state_dict(tensors)
    except Exception as error:
        reason = str(error).splitlines()[:2][-1].strip()[:120]  # torch's first line only says that there is a second
        trouble = f"checkpoint {path} does not fit this run ({reason})"
        raise InputError(f"{trouble}: remove it or start in another folder") from error
    for name, tensor in ema.items():
        tensor.copy_(averages[name])
    for number, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        optimizer.state[parameter] = {
            key: moments[f"{number}.{key}"].clone(memory_format=torch.preserve_format)
            for key in ("step", "exp_avg", "exp_avg_sq")
            if f"{number}.{key}" in moments
        }
    return state


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of every parameter, by the parameter's number."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return {
        f"{number}.{key}": value.contiguous()
        for number, parameter in enumerate(parameters)
        for key, value in optimizer.state[parameter].items()
    }
