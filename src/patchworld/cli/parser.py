"""argparse that complains in one line, and the options that several commands share."""

import argparse
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from patchworld.errors import InputError

EXAMPLE = 'example: patchworld generate "a red ball rolls to the left on grass" -o ball.mp4'


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are an InputError: one line that names the value, the rule and the remedy."""

    def __init__(self, **settings: Any) -> None:
        # No abbreviations: one that works today may fit two options tomorrow.
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)
        self.words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.words = list(args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        choice = re.match(r"argument (.+?): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
        missing = re.match(r"the following arguments are required: (.*)", message)
        surplus = re.match(r"unrecognized arguments: (.*)", message, re.DOTALL)
        # What seems to be missing may be there, but misspelt: an unknown option is told first.
        suspects = self.words if missing else surplus[1].split() if surplus else self.words[:1]
        known = [option for action in self._actions for option in action.option_strings]
        options = [word.split("=")[0] for word in suspects if re.match(r"--?[a-zA-Z]\S*$", word)]
        if unknown := [option for option in options if option not in known]:
            message = f"unknown option {unknown[0]} ({nearest(unknown[0], known)})"
        elif missing:
            message = f"missing {missing[1]}"
        elif surplus:
            message = f"'{surplus[1]}' is one argument too many: put a text with spaces in quotes"
        elif choice:
            near = nearest(choice[2], choice[3].replace("'", "").split(", "))
            message = f"unknown {choice[1].lower()} '{choice[2]}' ({near})"
        message = message.removeprefix("argument ").replace("invalid int value:", "not a whole number:")
        message = message.replace("invalid float value:", "not a number:")
        raise InputError(f"{message}; see {self.prog} --help")


def nearest(value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.65)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def add_output(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    kinds = "mp4, webm or gif; png, jpg or webp for one frame"
    parser.add_argument("-o", "--out", type=Path, required=required, metavar="FILE", help=f"file to write: {kinds}")


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of a model; default: the one that comes with patchworld"
    )


def add_lora(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lora", type=Path, metavar="DIR", help="folder of an adapter to add to the model")
    parser.add_argument(
        "--lora-strength", type=float, default=1.0, metavar="S", help="how much of it to add; default 1, all of it"
    )


def size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,9})[xX×](\d{1,9})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: write width x height in pixels, such as 64x64")
    return int(match[1]), int(match[2])


def number(text: str, option: str = "") -> float:
    """A number that was typed where argparse does not look."""
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{option}: not a number: '{text}'") from None


def pair(text: str, between: str = ",") -> tuple[float, float]:
    """Two numbers, such as 0.5,0.5."""
    try:
        first, second = text.split(between)
        return float(first), float(second)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no pair of numbers: write them as 0.5{between}1") from None


def make_folder(path: Path) -> None:
    """Make the folder of a run or report before the work begins, not after some of it."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give the name of a folder")
    path.mkdir(parents=True, exist_ok=True)
