"""patchworld storyboard: a video of timed cards, from a YAML or JSON file."""

import argparse
from pathlib import Path
from typing import Any

from patchworld.cli.dreaming import add_dreaming, dream
from patchworld.errors import InputError

HELP = """the file, in YAML or JSON:
  seconds: 8            # how long
  size: 64x64           # default 64x64
  fps: 8                # default 8
  things: a red ball    # what stays the same, added to every prompt
  cards:
    - {at: 0, prompt: "a red ball on grass"}
    - {at: 3, prompt: "the ball on snow", clip: snow.png}
    - {at: 6, prompt: "night falls", cut: false}    # goes over into it instead of beginning a new shot

example: patchworld storyboard board.yaml -o film.mp4"""
FIELDS = ("seconds", "size", "fps", "things", "cards")


def add(commands: Any) -> None:
    storyboard = add_dreaming(commands, "storyboard", "a video of timed cards", HELP)
    storyboard.add_argument("file", type=Path, metavar="FILE", help="YAML or JSON, see below")
    storyboard.add_argument("--fit", choices=("crop", "pad"), help="of clips: lose what sticks out, or add black")
    storyboard.set_defaults(run=_storyboard)


def _storyboard(options: argparse.Namespace) -> str:
    from patchworld import verbs

    return dream(options, verbs.storyboard(**read_board(options.file), fit=options.fit))


def read_board(path: Path) -> dict[str, Any]:
    """The arguments of `verbs.storyboard` that a file holds; its clips are found from where it lies."""
    import yaml

    from patchworld.cli.parser import size
    from patchworld.video import read

    try:
        board = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a storyboard") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is no YAML: {' '.join(str(error).split())}; see patchworld storyboard --help"
        ) from None
    if not isinstance(board, dict) or not isinstance(board.get("cards"), list):
        raise InputError(f"{path} holds no cards: see patchworld storyboard --help")
    if "seconds" not in board:
        raise InputError(f"{path} does not say how long the video is: add seconds")
    unknown = [str(name) for name in board if name not in FIELDS]
    if unknown:
        raise InputError(f"{path}: unknown {unknown[0]}: known are {', '.join(FIELDS)}")
    try:
        board["size"] = size(str(board.get("size", "64x64")))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{path}: {error}") from None
    for card in board["cards"]:
        if isinstance(card, dict) and isinstance(card.get("clip"), str):
            card["clip"] = read(path.parent / card["clip"])
    return board
