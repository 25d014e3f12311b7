"""What a gif asks for beyond its encoder: 255 good colours, and a comment."""

import os
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_COLOURS = 255  # one of the 256 is kept for "as in the frame before"
_FAR_OFF = 24  # levels, of 0 to 255, at which a wrong colour is seen


class GifPalette:
    """The palette of a gif while it is written: kept from frame to frame as long as it serves.

    A new palette for every frame shimmers and makes the file many times larger; one palette for all frames has to be
    known before the first. So a palette is replaced when a frame has pixels far from all of its colours: at a cut, or
    when something of a new colour comes into view.
    """

    def __init__(self) -> None:
        self._palette: PillowImage | None = None
        self._far_off = 0.0  # part of the pixels far from all colours, when the palette was made
        self._dither = 0.0  # levels

    def indexed(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 indices (height, width) and palette (256, 4), alpha first, for a frame uint8 (height, width, 3)."""
        if self._palette is None or self._misses(frame)[0] > 2 * self._far_off + 0.0005:
            self._renew(frame)
        # Ordered dithering: unlike error diffusion it leaves what stands still exactly as it was.
        offsets = self._dither * _bayer(frame.shape[0], frame.shape[1])[:, :, None]
        indices = self._quantized((frame + offsets).clip(0, 255).astype(np.uint8))
        palette = np.zeros((256, 4), np.uint8)
        palette[:_COLOURS, 0] = 255
        colours = self._colours()
        palette[: len(colours), 1:] = colours
        return indices, palette

    def _renew(self, frame: np.ndarray) -> None:
        from PIL import Image

        self._palette = Image.fromarray(frame).quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
        self._far_off, error = self._misses(frame)
        # Colours stand about 4 errors apart. Dithering over half of that breaks up the steps and adds little noise.
        self._dither = min(16.0, 2 * error)

    def _misses(self, frame: np.ndarray) -> tuple[float, float]:
        """Part of the pixels that are far from their colour in the palette, and the mean distance in levels."""
        shown = self._colours()[self._quantized(frame)]
        distance = np.abs(shown.astype(np.int16) - frame)
        return float((distance.max(axis=2) > _FAR_OFF).mean()), float(distance.mean())

    def _quantized(self, frame: np.ndarray) -> np.ndarray:
        from PIL import Image

        image = Image.fromarray(np.ascontiguousarray(frame))
        return np.asarray(image.quantize(palette=self._palette, dither=Image.Dither.NONE))

    def _colours(self) -> np.ndarray:
        """(n, 3) uint8, n at most 255."""
        assert self._palette is not None
        return np.array(self._palette.getpalette(), np.uint8).reshape(-1, 3)[:_COLOURS]


def append_comment(file: BinaryIO, comment: bytes) -> None:
    """Add a comment extension (GIF89a, section 24) at the end of a finished gif, before its trailer byte."""
    file.seek(-1, os.SEEK_END)
    blocks = (comment[at : at + 255] for at in range(0, len(comment), 255))
    file.write(b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00\x3b")


@cache
def _bayer(height: int, width: int) -> np.ndarray:
    """The 8 x 8 Bayer matrix, from -0.5 to 0.5, repeated over (height, width)."""
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    tiles = np.tile(matrix / 64 - 63 / 128, (-(-height // 8), -(-width // 8)))
    return tiles[:height, :width]
