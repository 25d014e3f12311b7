"""Every error a user can cause, as one tree.

PatchworldError
├── InputError       a file, value or option that cannot be used (exit status 2)
│   ├── MediaError   a video or image that cannot be read or written
│   └── ModelError   weights or a configuration that cannot be loaded
├── ProvenanceError  a file that is not what was signed, or that nobody signed (exit status 3)
└── RunError         the machine could not do it: out of memory, missing library (exit status 1)
    └── DiskError    a disk that is full or closed: the same command can do it when there is room (exit status 75)

A message names the value, the rule it breaks and the remedy, in one line. `assert` is for our own mistakes.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class PatchworldError(Exception):
    """Base of every error that patchworld raises on purpose."""

    exit_status = 1


class InputError(PatchworldError, ValueError):
    """A value, option or file given by the user breaks a rule."""

    exit_status = 2


class MediaError(InputError):
    """A video or image cannot be read or written."""


class ModelError(InputError):
    """Weights or a model configuration cannot be loaded."""


class RunError(PatchworldError, RuntimeError):
    """The machine cannot do what was asked: no memory, a library missing, a disk that refuses."""


class DiskError(RunError):
    """The disk is full, or may not be written to. What was there before is as it was."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: a scheduler may try again


class ProvenanceError(PatchworldError):
    """A file is not what was signed, or nobody has signed it."""

    exit_status = 3


def missing_extra(package: str, extra: str) -> RunError:
    """The error for an optional `package` that the `extra` of patchworld installs."""
    return RunError(
        f"{package} is not installed: this needs the extra '{extra}'; "
        f"run pip install -e '.[{extra}]' in the clone of patchworld"
    )


def first_problem(error: "ValidationError") -> str:
    """The first thing pydantic complains of, as `place=value: rule`."""
    first = error.errors()[0]
    place, value = ".".join(str(part) for part in first["loc"]), first["input"]
    if place and isinstance(value, str | int | float):
        place += f"={str(value)[:40]}"
    rule = {"missing": "missing", "extra_forbidden": "unknown", "unexpected_keyword_argument": "unknown"}.get(
        first["type"], first["msg"].removeprefix("Value error, ")
    )
    return f"{place}: {rule[0].lower()}{rule[1:]}" if place else rule
