"""A contact sheet: clips as one picture, a row each, to be judged at a glance."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from patchworld.errors import InputError
from patchworld.video.clip import Clip
from patchworld.video.lettering import CHINESE
from patchworld.video.resize import fit_frame

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_GAP = 4  # pixels between frames
_FONT_SIZE = 12  # pixels
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (120, 120, 120)


def contact_sheet(
    clips: Clip | Sequence[Clip],
    path: str | Path | None = None,
    *,
    columns: int = 8,
    labels: Sequence[str] | None = None,
    largest: int = 160,
) -> np.ndarray:
    """Each clip as a row of up to `columns` frames, evenly chosen from its first to its last, with their seconds below.

    labels: a caption for each row. largest: frames with a longer side than this many pixels are shrunk to it.
    Returns the sheet, uint8 (height, width, 3), and writes it to `path` (png, jpg or webp) when one is given, with the
    first recipe of its clips, so that it is marked as they are.
    Raises InputError when there is no clip, or labels and clips differ in number, and what `write` raises.
    """
    clips = [clips] if isinstance(clips, Clip) else list(clips)
    if not clips:
        raise InputError("a contact sheet of no clips: give at least one")
    if columns < 1 or largest < 8:
        raise InputError(f"columns={columns}, largest={largest} is out of range: at least 1 column, at least 8 pixels")
    if labels is not None and len(labels) != len(clips):
        raise InputError(f"{len(labels)} labels for {len(clips)} clips: give one for each")
    rows = [_row(clip, columns, largest) for clip in clips]
    width = max(row.shape[1] for row in rows)
    parts = []
    for row, label in zip(rows, labels or [""] * len(rows), strict=True):
        parts += [_caption(label, width)] if label else []
        parts.append(row)
    height = sum(part.shape[0] for part in parts) + _GAP
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    top = _GAP
    for part in parts:
        sheet[top : top + part.shape[0], : part.shape[1]] = part
        top += part.shape[0]
    if path is not None:
        recipe = next((clip.recipe for clip in clips if clip.recipe is not None), None)
        Clip(sheet[None], 1.0, recipe).save(path)
    return sheet


def _row(clip: Clip, columns: int, largest: int) -> np.ndarray:
    """Frames of one clip side by side, their times below: uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw

    numbers = evenly(clip.num_frames, columns)
    width, height = _tile_size(clip.size, largest)
    line = _FONT_SIZE + 4
    row = Image.new("RGB", (_GAP + len(numbers) * (width + _GAP), height + line), _PAPER)
    draw, font = ImageDraw.Draw(row), _font("0")
    for column, number in enumerate(numbers):
        left = _GAP + column * (width + _GAP)
        row.paste(Image.fromarray(fit_frame(clip.frames[number], (width, height), "pad")), (left, 0))
        if not clip.is_image:
            draw.text((left, height), f"{number / clip.fps:.2f} s", fill=_FAINT, font=font)
    return np.asarray(row)


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 0 to count - 1, evenly spread, the first and the last among them."""
    if most == 1 or count == 1:
        return [0]
    chosen = min(count, most)
    return [round(k * (count - 1) / (chosen - 1)) for k in range(chosen)]


def _tile_size(size: tuple[int, int], largest: int) -> tuple[int, int]:
    scale = min(1.0, largest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _caption(text: str, width: int) -> np.ndarray:
    """Text in lines of at most `width` pixels: uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw

    font = _font(text)
    lines = _wrapped(text, font, width - 2 * _GAP)
    height = _FONT_SIZE + 4
    image = Image.new("RGB", (width, len(lines) * height + _GAP), _PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((_GAP, number * height), line, fill=_INK, font=font)
    return np.asarray(image)


def _wrapped(text: str, font: "FreeTypeFont | ImageFont", width: float) -> list[str]:
    """Lines no wider than `width` pixels, broken at the last space, or anywhere when there is none (Chinese)."""
    lines, line = [], ""
    for letter in " ".join(text.split()):
        if line and font.getlength(line + letter) > width:
            at = line.rfind(" ") + 1 or len(line)
            lines.append(line[:at].rstrip())
            line = line[at:]
        line += letter
    return [*lines, line]


def _font(text: str) -> "FreeTypeFont | ImageFont":
    from PIL import ImageFont

    if not text.isascii():
        for name in CHINESE:
            try:
                return ImageFont.truetype(name, _FONT_SIZE)
            except OSError:
                continue
    return ImageFont.load_default(_FONT_SIZE)
