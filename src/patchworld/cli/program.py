"""One run of the command line: an exit status, and one line for whatever went wrong."""

import argparse
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from patchworld import __version__
from patchworld.cli import (
    data,
    doctor,
    generate,
    loadtest,
    merge,
    reconstruct,
    replay,
    score,
    serve,
    simulate,
    storyboard,
    train,
    verbs,
    verify,
)
from patchworld.cli.parser import EXAMPLE, Parser
from patchworld.errors import PatchworldError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 is done, 2 input that cannot be used, 1 what the machine could not do, 75 what the disk refused, 3 a file that is
    not what was signed, 130 Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may have letters the terminal lacks
    try:
        options = parse(list(sys.argv[1:] if arguments is None else arguments))
        with _plain_warnings():
            answer = options.run(options)
    except SystemExit as end:  # of --help and --version, which argparse has printed, or of a rank that is not to talk
        if end.code:
            return int(end.code)
        answer = ""
    except KeyboardInterrupt:
        return _fail("stopped; nothing was left half-written", 130)
    except PatchworldError as error:
        return _fail(str(error), error.exit_status)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}; check the path, its permissions and the free disk space", 1)
    except (MemoryError, RuntimeError) as error:
        told_by_torch = re.search("(can't allocate|not enough|out of) memory", str(error))
        if not (told_by_torch or isinstance(error, MemoryError)):
            raise
        return _fail("out of memory: ask for fewer frames or a smaller size, in training for fewer tokens", 1)
    return _print(answer)


def _print(answer: str) -> int:
    """Print the answer of a command. What reads it may be gone, as in `patchworld ... | head`, or full."""
    try:
        print(answer, end="\n" if answer else "", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 1 if isinstance(error, BrokenPipeError) else _fail(f"cannot print the result: {error.strerror}", 1)
    return 0


def _fail(message: str, status: int) -> int:
    print("patchworld:", " ".join(message.splitlines()), file=sys.stderr)  # one line, whatever a file name contains
    return status


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Our warnings as one line each; those of libraries, which are for programmers, not at all."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"patchworld: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", module="patchworld")
        warnings.showwarning = show  # type: ignore[assignment]  # of its six arguments only the first is asked for
        yield


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of a command; `run` among them is what does it."""
    parser = Parser(
        prog="patchworld", description="An open Sora: a world simulator made of spacetime patches.", epilog=EXAMPLE
    )
    parser.add_argument("--version", action="version", version=f"patchworld {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        generate,
        verbs,
        storyboard,
        simulate,
        replay,
        verify,
        reconstruct,
        data,
        serve,
        train,
        score,
        doctor,
        loadtest,
        merge,
    ):
        command.add(commands)
    options, unknown = parser.parse_known_args(arguments)
    if len(unknown) == 1 and unknown[0][:1] != "-" and getattr(options, "prompt", "") is None:
        options.prompt = unknown.pop()  # argparse has taken one that may be left out for missing before the options
    if unknown:  # told by the command's own parser, which knows its options
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options
