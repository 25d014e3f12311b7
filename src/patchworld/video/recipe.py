"""What patchworld writes about a clip into its file, and reads back: the note.

A note is one line of JSON, `{"patchworld": {"size": [w, h], "fps": f, "recipe": {...}}}`, and where there is a recipe
the IPTC's term for media that a trained algorithm made, as `digitalSourceType`, and the `AIGC` field of GB 45438 beside
it. It is stored where each
format keeps its comment, because a comment survives copying between containers: the `comment` tag of mp4, mov, webm and
mkv, the comment extension of gif, the `Comment` text of png, the ImageDescription of jpg and webp.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patchworld.errors import InputError
from patchworld.provenance import aigc, source_type

EXIF_IMAGE_DESCRIPTION = 0x010E


@dataclass(frozen=True)
class Note:
    """size: (width, height) of the picture, before any row or column was added to suit the codec. fps: frames a second.
    recipe: how the clip was made, or None. aigc: the AIGC field of a file that was read, if it has one."""

    size: tuple[int, int]
    fps: float
    recipe: dict[str, Any] | None = None
    aigc: dict[str, Any] | None = field(default=None, compare=False)


def pack_note(note: Note) -> str:
    """The note as one line of ASCII (other letters become \\u escapes, which every format can hold).

    Raises InputError when the recipe is not JSON: numbers must be finite Python numbers, keys must be strings.
    """
    try:
        body = {"patchworld": {"size": list(note.size), "fps": note.fps, "recipe": note.recipe}}
        mark = {} if note.recipe is None else {"digitalSourceType": source_type(note.recipe), "AIGC": aigc(note.recipe)}
        text = json.dumps({**body, **mark}, allow_nan=False)
    except (TypeError, ValueError) as error:
        remedy = "use plain dicts, lists, strings and finite numbers"
        raise InputError(f"the recipe cannot be written as JSON: {error}; {remedy}") from error
    return text


def unpack_note(text: str | bytes | None) -> Note | None:
    """The note in `text`, or None when it holds none: the comments of other programs are no error."""
    if not text:
        return None
    try:
        whole = json.loads(text)
        body, told = whole["patchworld"], whole.get("AIGC")
        width, height = body["size"]
        recipe = body["recipe"] if isinstance(body["recipe"], dict) else None
        mark = told if isinstance(told, dict) else None
        return Note((int(width), int(height)), float(body["fps"]), recipe, mark)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def note_in_tags(tags: Mapping[str, str]) -> Note | None:
    """The note among the tags of a container. Matroska writes their names in capitals."""
    return next((unpack_note(text) for name, text in tags.items() if name.lower() == "comment"), None)
