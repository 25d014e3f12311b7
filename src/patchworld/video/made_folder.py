"""The folder of a data set that is made by code: what it was made with is written down before anything is made."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from patchworld.errors import InputError
from patchworld.video.whole_file import disk_errors, whole_file


def check_amounts(num_clips: int, workers: int, seed: int) -> None:
    """Raises InputError for what no data set can be made with."""
    if num_clips < 1:
        raise InputError(f"num_clips={num_clips} is too few: give 1 or more")
    if workers < 1:
        raise InputError(f"workers={workers} is too few: give 1 or more")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed={seed} is out of range: use a whole number from 0 to 2^63 - 1")


def settle(folder: Path, settings: dict[str, Any], parts: Sequence[str]) -> None:
    """Make `folder` with the folders `parts` in it, or check that it holds a data set of the same settings.

    Raises InputError where it holds something else, so that a second run continues the first and never mixes two.
    """
    record = folder / "dataset.json"
    if record.exists():
        try:
            found = dict(json.loads(record.read_bytes()))
        except (ValueError, TypeError) as error:
            raise InputError(f"{record} is damaged ({error}): delete the folder and make the data set again") from error
        differing = [key for key in settings if found.get(key) != settings[key]]
        if differing:
            raise InputError(
                f"{folder} was made with {_differences(found, settings, differing)}: a data set has one setting; "
                "use the same ones to continue, or another folder"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty and holds no data set of this kind: choose a new or empty folder")
    with disk_errors(folder):
        for part in parts:
            (folder / part).mkdir(parents=True, exist_ok=True)
    with whole_file(record) as file:
        file.write((json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode())


def _differences(found: dict[str, Any], wanted: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(
        f"another {key}" if isinstance(wanted[key], list | dict) else f"{key}={found.get(key)}, not {wanted[key]}"
        for key in keys
    )
