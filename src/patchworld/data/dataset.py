"""A data set is a folder of videos and images with captions, as anyone would make it.

Captions are found in one of three places:
- `captions.jsonl`, one object a line: {"video": "a.mp4", "caption": "..."}, or "captions": [...] with several, each a
  text or an object with a "text"; and, for worlds that can be played, "actions": one name for each frame. Captions
  with "detail": "setting" say what is there and not what happens, and are learned with the actions alone;
- `captions.csv` with the columns video and caption;
- beside each video a text file of the same name: a.mp4 and a.txt.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchworld.errors import InputError

MEDIA = (".mp4", ".mov", ".webm", ".mkv", ".gif", ".png", ".jpg", ".jpeg", ".webp", ".bmp")
REMEDY = "add captions.jsonl, captions.csv, or a .txt file beside each video"


@dataclass(frozen=True)
class Sample:
    """One video or image, what is said of it, and, where known, what was done in it: one action name for each frame."""

    path: Path
    captions: tuple[str, ...]
    actions: tuple[str, ...] | None = None
    settings: tuple[str, ...] = ()  # captions that leave what happens to the actions


def read_dataset(folder: str | Path) -> list[Sample]:
    """The samples of a data set, in the order of its caption file, or by name.

    Raises InputError that names file, line, rule and remedy where a row cannot be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give the folder that holds the videos and their captions")
    if (folder / "captions.jsonl").exists():
        samples = list(_from_jsonl(folder))
    elif (folder / "captions.csv").exists():
        samples = list(_from_csv(folder))
    else:
        samples = list(_from_text_files(folder))
    if not samples:
        raise InputError(f"{folder} holds no captioned videos or images: {REMEDY}")
    return samples


def action_names(samples: list[Sample]) -> tuple[str, ...]:
    """Every action that occurs in the data, sorted: the vocabulary of a model trained on it."""
    return tuple(sorted({name for sample in samples for name in sample.actions or ()}))


def _from_jsonl(folder: Path) -> Iterator[Sample]:
    path = folder / "captions.jsonl"
    for number, line in enumerate(_text(path).split("\n"), start=1):  # captions may hold other ends of lines
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number} is not JSON ({error}): write one object a line") from None
        if not isinstance(row, dict):
            raise InputError(f'{path}, line {number} is not an object: write {{"video": ..., "caption": ...}}')
        yield _sample(folder, row, f"{path}, line {number}")


def _from_csv(folder: Path) -> Iterator[Sample]:
    path = folder / "captions.csv"
    rows = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        for row in rows:
            yield _sample(folder, row, f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num + 1} is not CSV ({error}): write video,caption") from None


def _from_text_files(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in MEDIA and (words := path.with_suffix(".txt")).exists():
            yield Sample(path, (_text(words).strip(),))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from None


def _sample(folder: Path, row: dict[str, Any], place: str) -> Sample:
    name = row.get("video")
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f'{place} has no "video": give the path of the video within {folder}')
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{place}: {name} lies outside {folder}: keep videos inside the folder of the data set")
    if not path.is_file():
        raise InputError(f"{place}: {name} does not exist in {folder}: correct the name or remove the line")
    given = row.get("captions", row.get("caption"))
    captions: list[str] = []
    settings: list[str] = []
    for item in given if isinstance(given, list) else [given]:
        caption = item if isinstance(item, dict) else {"text": item}
        text = caption.get("text")
        if not isinstance(text, str):
            raise InputError(
                f'{place}: {text!r} is no caption: give "caption" as a text, or "captions" as a list of texts'
            )
        (settings if caption.get("detail") == "setting" else captions).append(text)
    if not captions:
        raise InputError(f'{place} has no caption: give "caption" as a text, or "captions" as a list of texts')
    actions = row.get("actions")
    if actions is not None and not (isinstance(actions, list) and all(isinstance(a, str) for a in actions)):
        raise InputError(f'{place}: "actions" is not a list of names: give one name for each frame')
    return Sample(path, tuple(captions), tuple(actions) if actions else None, tuple(settings))
