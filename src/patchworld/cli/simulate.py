"""patchworld simulate: a world that answers to actions, from a file or from the keyboard."""

import argparse
import os
import re
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patchworld.cli.dreaming import (
    add_dreaming,
    add_fitting,
    dream,
    given,
    prompt_of,
    read_input,
    recipe_of,
    sampling_of,
)
from patchworld.errors import InputError

# What keys do in a world that knows these actions; an arrow key arrives as three letters.
KEYS = {
    "\x1b[D": "push left",
    "\x1b[C": "push right",
    "\x1b[A": "push away",
    "\x1b[B": "push towards",
    " ": "jump",
}
REST, QUIT = "none", "q"
HELD = 0.3  # seconds that a key lasts: a terminal does not tell when it is let go
LIVE: dict[str, Any] = {"steps": 8, "guidance": 1, "window": 4, "history": 16}
WIDEST = 96  # columns of the picture in the terminal
HELP = """A file of actions has one a line, each for one frame, or for several: push left x 8
Without --actions, the keyboard: arrows push, space jumps, q ends; the world is shown in the terminal.

example: patchworld simulate "a red ball on grass" --actions steps.txt -o played.mp4"""


def add(commands: Any) -> None:
    simulate = add_dreaming(commands, "simulate", "play in a world that answers to actions", HELP, **LIVE)
    simulate.add_argument("prompt", nargs="?", metavar="PROMPT", help="what the world is; default that of --past")
    simulate.add_argument("--past", type=Path, metavar="FILE", help="an image or video to begin from")
    simulate.add_argument("--actions", type=Path, metavar="FILE", help="what is done; default: the keyboard")
    simulate.add_argument("--seconds", type=float, default=60.0, metavar="S", help="the longest play; default 60")
    simulate.add_argument("--fps", type=float, default=8.0, metavar="F", help="frames a second; default 8")
    add_fitting(simulate)
    simulate.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> str:
    from patchworld import verbs

    past = read_input(options.past, options) if options.past else None
    world: dict[str, Any] = {"past": past, "size": options.size or (64, 64), "fps": options.fps}
    prompt = prompt_of(options, *([past] if past else []))
    if options.actions:
        return dream(options, verbs.simulate(prompt, actions=read_actions(options.actions), **world))
    if not sys.stdin.isatty():
        raise InputError("no terminal to read keys from: give a file of actions with --actions")
    played: list[str] = []
    with _keys() as pressed:
        canvas = verbs.simulate(prompt, actions=_recorded(pressed, played), seconds=options.seconds, **world)
        frames = _play(options, canvas)
    done = len(frames) - (past.num_frames if past else 1)
    if done < 1:
        raise InputError("nothing was played: wait for the first picture before you press q")
    return _write(options, verbs.simulate(prompt, actions=played[:done], **world), frames)


def _play(options: argparse.Namespace, canvas: Any) -> list[Any]:
    """Show the world in the terminal as it comes, no faster than it moves; ends with the actions or by Ctrl-C."""
    from patchworld.model import load

    model, frames = load(options.model, options.lora, options.lora_strength), []
    due = time.monotonic()
    try:
        for frame in model.stream(canvas, sampling_of(options)):
            frames.append(frame)
            sys.stderr.write(terminal_picture(frame))
            sys.stderr.flush()
            due = max(due + 1 / canvas.fps, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic() - 1 / canvas.fps))
    except KeyboardInterrupt:
        if not options.keep:
            raise
    return frames


def _write(options: argparse.Namespace, canvas: Any, frames: list[Any]) -> str:
    from patchworld.model import load
    from patchworld.video import Writer

    model = load(options.model, options.lora, options.lora_strength)
    recipe = recipe_of(options, model, canvas, sampling_of(options))
    with Writer(options.out, canvas.size, canvas.fps, recipe=recipe, given=given(canvas)) as writer:
        for frame in frames:
            writer.add(frame)
    return f"{options.out}: {len(frames)} frames of {canvas.size[0]}x{canvas.size[1]}, seed {options.seed}"


def read_actions(path: Path) -> list[str]:
    """The actions of a file, one for each frame. Raises InputError where it is none."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        raise InputError(f"{path} is no text file of actions: write one a line") from None
    actions: list[str] = []
    for line in filter(None, map(str.strip, lines)):
        name, times = re.fullmatch(r"(.*?)(?:\s*x\s*(\d{1,6}))?", line).groups()  # type: ignore[union-attr]  # fits any
        actions += [name] * int(times or 1)
    return actions


def terminal_picture(frame: Any) -> str:
    """A frame as text for a terminal with colours: two pixels a letter, from the top left corner on."""
    from patchworld.video.resize import resize_frame

    height, width = frame.shape[:2]
    columns = min(width, WIDEST)
    small = resize_frame(frame, (columns, max(2, round(height * columns / width / 2) * 2)))
    rows = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        two = zip(upper, lower, strict=True)
        colours = (f"\x1b[38;2;{a};{b};{c}m\x1b[48;2;{d};{e};{f}m▀" for (a, b, c), (d, e, f) in two)
        rows.append("".join(colours) + "\x1b[0m\x1b[K")
    return "\x1b[H" + "\n".join(rows) + "\n"


def _recorded(actions: Iterator[str], played: list[str]) -> Iterator[str]:
    for action in actions:
        played.append(action)
        yield action


@contextmanager
def _keys() -> Iterator[Iterator[str]]:
    """The actions of the keys that are pressed, asked for frame by frame, without waiting for one."""
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)  # what was typed while the model was loaded counts
    sys.stderr.write("\x1b[2J")
    try:
        yield _pressed(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _pressed(terminal: int) -> Iterator[str]:
    action, since = REST, 0.0
    while True:
        letters = ""
        while select.select([terminal], [], [], 0)[0]:
            letters += os.read(terminal, 64).decode(errors="ignore")
        if QUIT in letters:
            return
        found = [(letters.rfind(key), name) for key, name in KEYS.items() if key in letters]
        if found:
            action, since = max(found)[1], time.monotonic()
        yield action if time.monotonic() - since < HELD else REST
