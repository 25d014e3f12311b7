"""Checkpoints: all that a stopped run needs to go on, written whole or not at all.

A checkpoint is a folder `step-00001234` with tensors as safetensors, `state.json`, and `manifest.json` with the size
and SHA-256 of each of them, written last. The folder is written under another name, everything in it is brought to the
disk, and it is renamed; then older ones are removed. What does not agree with its manifest is damaged: it is set aside
under another name, and the checkpoint before it is used.

Where several ranks train, rank 0 reads and writes the same files, in which all is in one piece: how many there were
does not show, so a run goes on with any other number.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from patchworld.errors import DiskError, InputError, ModelError, RunError
from patchworld.train.optimizer import Optimizer
from patchworld.train.parallel import fill, gathered, on_first
from patchworld.weights_file import read_weights

KEPT = 2  # a damaged newest one leaves another
MANIFEST = "manifest.json"
FILES = ("model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json")


def save_checkpoint(
    folder: Path,
    step: int,
    model: nn.Module,
    ema: dict[str, Tensor],
    optimizer: Optimizer,
    state: dict[str, Any],
) -> None:
    """Write the checkpoint of `step` into `folder`. `state` is any JSON object.

    A whole one of the same step stays: a step has one state. Raises DiskError when the disk refuses, and
    RunError before anything is written when a number is not finite.
    """
    tensors = {"model": model.state_dict(), "ema": ema, "optimizer": _moments(optimizer)}
    pieces = {kind: gathered(named) for kind, named in tensors.items()}
    on_first(lambda: _save(folder, step, pieces, state))


def _save(folder: Path, step: int, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
    for kind, named in tensors.items():
        for name, tensor in named.items():
            if not tensor.isfinite().all():
                raise RunError(
                    f"step {step} left numbers that are not finite ({kind} {name}) and no checkpoint is made of them: "
                    "lower the learning rate and run again"
                )
    target = folder / f"step-{step:08d}"
    if target.exists():
        if find_fault(target) is None:
            return
        set_aside(target)
    partial = target.with_name(target.name + ".partial")
    try:
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if new:
            _sync(folder.parent)
        for old in folder.glob("*.partial"):  # of this step, or of a run that was killed
            shutil.rmtree(old)
        partial.mkdir()
        for kind, named in tensors.items():
            path = partial / f"{kind}.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in named.items()}, path)
            _sync(path)
        _write(partial / "state.json", json.dumps({"step": step, **state}))
        _write(partial / MANIFEST, _manifest(partial))
        _sync(partial)
        os.replace(partial, target)
        _sync(folder)
        for old in list_checkpoints(folder)[:-KEPT]:
            going = old.with_name(old.name + ".partial")
            os.replace(old, going)
            shutil.rmtree(going)
    except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
        shutil.rmtree(partial, ignore_errors=True)
        needed = sum(tensor.nbytes for named in tensors.values() for tensor in named.values())
        remedy = f"make room for {needed + 65536:,} bytes"
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "make the folder writable"
        raise DiskError(
            f"cannot write checkpoint {target} ({error}): {remedy} and run the same command again; "
            "checkpoints before it are as they were"
        ) from error


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in `folder`, oldest first: those that were written to the end, see `find_fault`."""
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")


def load_newest(folder: Path, model: nn.Module, ema: dict[str, Tensor], optimizer: Optimizer) -> dict[str, Any] | None:
    """Copy the newest whole checkpoint into `model`, `ema` and `optimizer`; returns its state.

    None means that there never was one. Damaged ones are set aside and told of on stderr.
    Raises RunError when there were checkpoints and none is whole.
    """
    path = on_first(lambda: _newest_whole(folder))
    return None if path is None else load_checkpoint(path, model, ema, optimizer)


def _newest_whole(folder: Path) -> Path | None:
    for path in reversed(list_checkpoints(folder)):
        fault = find_fault(path)
        if fault is None:
            return path
        aside = set_aside(path)
        left = list_checkpoints(folder)
        used = f"{left[-1].name} is tried instead" if left else "none is left"
        print(f"patchworld: checkpoint {path.name} is damaged ({fault}): now {aside.name}; {used}", file=sys.stderr)
    if any(folder.glob("damaged-step-*")):
        raise RunError(
            f"{folder} holds damaged checkpoints and no whole one: restore a step-* folder, "
            "or remove the folder to start from the first step"
        )
    return None


def load_checkpoint(path: Path, model: nn.Module, ema: dict[str, Tensor], optimizer: Optimizer) -> dict[str, Any]:
    """Copy a whole checkpoint into `model`, `ema` and `optimizer`; returns its state.

    Nothing is copied before all of it has been read. Raises InputError when it is that of another model.
    """
    tensors = {"model": model.state_dict(), "ema": ema, "optimizer": _moments(optimizer)}
    values: dict[str, dict[str, Tensor]] = {kind: {} for kind in tensors}

    def read() -> dict[str, Any]:
        try:
            for kind, named in tensors.items():
                values[kind] = read_weights(path / f"{kind}.safetensors", named, described_by="this run", exact=True)
        except ModelError as error:
            raise InputError(f"checkpoint {path.name} cannot be used: {error}") from error
        return json.loads((path / "state.json").read_text())

    state = on_first(read)
    for kind, named in tensors.items():
        fill(named, values[kind])
    return state


def find_fault(path: Path) -> str | None:
    """What is wrong with a checkpoint: the first thing that is not as its manifest says. None: it is whole."""
    for name in FILES:
        if not (path / name).is_file():
            return f"{name} is missing"
    try:
        told, found = (path / MANIFEST).read_text(), _manifest(path)
        if told == found:
            step = json.loads((path / "state.json").read_text())["step"]
            return None if path.name == f"step-{step:08d}" else f"it is of step {step}"
        told_files, found_files = json.loads(told), json.loads(found)
        wrong = next(name for name in FILES if told_files[name] != found_files[name])
        return f"{wrong} is not as it was written"
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except OSError as error:
        return str(error)
    except (ValueError, LookupError, TypeError, StopIteration):
        return f"{MANIFEST} is not as it was written"


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint, so that it is not used again, nor in the way of another one of its step."""
    number, aside = 1, path.with_name(f"damaged-{path.name}")
    while aside.exists():
        number += 1
        aside = path.with_name(f"damaged-{path.name}-{number}")
    try:
        os.replace(path, aside)
    except OSError as error:
        raise DiskError(f"damaged checkpoint {path} cannot be renamed ({error}): make the folder writable") from error
    return aside


def _manifest(folder: Path) -> str:
    """The size and SHA-256 of every file of a checkpoint, as JSON; the same files, the same text."""
    described = {}
    for name in FILES:
        with open(folder / name, "rb") as file:
            described[name] = {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": file.tell()}
    return json.dumps(described, indent=1)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    _sync(path)


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk: a rename may get there before what it renames."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _moments(optimizer: Optimizer) -> dict[str, Tensor]:
    """What the optimizer knows of every parameter, by the parameter's number."""
    return {
        f"{number}.{key}": tensor for number, state in enumerate(optimizer.states()) for key, tensor in state.items()
    }
