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


def _data_playroom(options: argparse.Namespace) -> str:
    from patchworld.playroom import write_dataset

    folder = write_dataset(
        options.out, num_clips=options.clips, workers=options.workers, seed=options.seed, split=options.split
    )
    return f"{folder}: {options.clips} clips, with captions.jsonl"


def _data_pictures(options: argparse.Namespace) -> str:
    from patchworld.data.pictures import write_pictures

    folder = write_pictures(
        options.out, num_clips=options.clips, photos=options.photos, workers=options.workers, seed=options.seed
    )
    return f"{folder}: {options.clips} clips, with captions.jsonl"
