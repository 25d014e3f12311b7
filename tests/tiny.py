"""Tiny inputs that several tests share."""

import numpy as np

from patchworld.video import Clip


def moving_square(
    frames: int = 17, size: tuple[int, int] = (32, 32), fps: float = 8.0, color: tuple[int, int, int] = (230, 30, 40)
) -> Clip:
    """A square that moves right over a grey ground."""
    width, height = size
    pixels = np.full((frames, height, width, 3), 120, np.uint8)
    for frame in range(frames):
        left = frame * (width - 8) // max(frames - 1, 1)
        pixels[frame, height // 2 - 4 : height // 2 + 4, left : left + 8] = color
    return Clip(pixels, fps)
