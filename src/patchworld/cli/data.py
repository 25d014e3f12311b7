"""patchworld data: data sets to train on."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    data = commands.add_parser("data", help="make data sets").add_subparsers(
        title="kinds", metavar="KIND", required=True
    )
    playroom = data.add_parser("playroom", help="render a data set of the playroom")
    playroom.add_argument("--clips", type=int, required=True, metavar="N", help="number of clips")
    playroom.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write; continues where it stopped"
    )
    playroom.add_argument("--workers", type=int, default=1, metavar="W", help="processes; default 1")
    playroom.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same data; default 0")
    playroom.add_argument(
        "--split", choices=("train", "held_out"), default="train", help="with or without the things held out"
    )
    playroom.add_argument(
        "--mix",
        type=_share,
        nargs="+",
        metavar="WxHxF=P",
        help="sizes, frames and shares of the clips, such as 64x64x17=0.6 64x64x1=0.4; default: many sizes",
    )
    playroom.add_argument(
        "--event", action="append", default=[], metavar="NAME", help="show this event and others so named alone"
    )
    playroom.add_argument(
        "--camera", action="append", default=[], metavar="NAME", help="move like this and others so named alone"
    )
    playroom.add_argument(
        "--cut", action="append", default=[], metavar="VIEW", help="cut to this view and others so named, in every clip"
    )
    playroom.set_defaults(run=_data_playroom, parser=playroom)
    pictures = data.add_parser("pictures", help="film photographs and patterns, to train an autoencoder on")
    pictures.add_argument("--clips", type=int, required=True, metavar="N", help="number of clips")
    pictures.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to write; continues where it stopped"
    )
    pictures.add_argument("--photos", type=Path, metavar="DIR", help="folder of photographs; default: patterns alone")
    pictures.add_argument("--workers", type=int, default=1, metavar="W", help="processes; default 1")
    pictures.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same data; default 0")
    pictures.set_defaults(run=_data_pictures, parser=pictures)


def _share(text: str) -> tuple[int, int, int, float]:
    """Width, height, frames and weight of `64x64x17=0.6`."""
    sides, _, weight = text.partition("=")
    try:
        width, height, frames = map(int, sides.split("x"))
        share = (width, height, frames, float(weight))
    except ValueError:
        share = (0, 0, 0, 0.0)
    if not 0 < share[-1] < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no share: write WxHxF=P, P above 0, such as 64x64x17=0.6")
    return share


def _data_playroom(options: argparse.Namespace) -> str:
    from patchworld.playroom import DEFAULT_MIX, SizeShare, write_dataset

    folder = write_dataset(
        options.out,
        num_clips=options.clips,
        workers=options.workers,
        seed=options.seed,
        split=options.split,
        mix=tuple(SizeShare(*share) for share in options.mix) if options.mix else DEFAULT_MIX,
        events=tuple(options.event),
        cameras=tuple(options.camera),
        cuts=tuple(options.cut),
    )
    return f"{folder}: {options.clips} clips, with captions.jsonl"


def _data_pictures(options: argparse.Namespace) -> str:
    from patchworld.data.pictures import write_pictures

    folder = write_pictures(
        options.out, num_clips=options.clips, photos=options.photos, workers=options.workers, seed=options.seed
    )
    return f"{folder}: {options.clips} clips, with captions.jsonl"
