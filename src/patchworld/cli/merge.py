"""patchworld merge: an adapter becomes part of a model."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.cli.parser import add_model
from patchworld.errors import InputError


def add(commands: Any) -> None:
    merge = commands.add_parser("merge", help="add an adapter to a model and write the whole as a model")
    merge.add_argument("lora", type=Path, metavar="LORA", help="folder of an adapter, from a training run with --lora")
    merge.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder to write")
    merge.add_argument("--lora-strength", type=float, default=1.0, metavar="S", help="how much of it to add; default 1")
    add_model(merge)
    merge.set_defaults(run=_merge, parser=merge)


def _merge(options: argparse.Namespace) -> str:
    from patchworld.model import load, save

    if (options.out / "model.json").exists():
        raise InputError(f"{options.out} holds a model: choose a new folder, so that none is lost")
    model = load(options.model, options.lora, options.lora_strength)
    save(model, options.out, {"lora": str(options.lora), "lora_strength": options.lora_strength})
    return f"{options.out}: dream with it by patchworld generate PROMPT -o out.mp4 --model {options.out}"
