"""Clips in other sizes, stretched, cropped or padded, and at other frame rates."""

import math
from typing import Literal

import numpy as np

from patchworld.errors import InputError
from patchworld.shapes import MAX_PIXELS, check_fps
from patchworld.video.clip import Clip

How = Literal["crop", "pad"]


def resize(clip: Clip, size: tuple[int, int]) -> Clip:
    """The clip scaled to exactly `size` (width, height), stretched where the shape differs; the recipe is left behind.

    Lanczos, whose window grows with the reduction, so that fine detail is averaged and does not flicker.
    Raises InputError for a size that is no picture.
    """
    _check_size(size)
    return Clip(np.stack([resize_frame(frame, size) for frame in clip.frames]), clip.fps)


def fit(clip: Clip, size: tuple[int, int], how: How = "crop") -> Clip:
    """The clip at `size` (width, height) without stretching; the recipe is left behind.

    how: "crop" fills the size and loses what sticks out, evenly on both sides; "pad" keeps everything, on black.
    Raises InputError for a size that is no picture or an unknown `how`.
    """
    _check_size(size)
    if how not in ("crop", "pad"):
        raise InputError(f"how={how!r} is unknown: use 'crop' or 'pad'")
    source = {**clip.source, "size": list(size), "fit": how} if clip.source else None
    return Clip(np.stack([fit_frame(frame, size, how) for frame in clip.frames]), clip.fps, source=source)


def retime(clip: Clip, fps: float) -> Clip:
    """The clip at another frame rate: each frame is the one on display at its time, as `read` at `fps` gives it."""
    check_fps(fps)
    count = max(1, math.ceil(clip.duration * fps - 1e-6))
    shown = np.floor(np.arange(count) * clip.fps / fps + 1e-6).astype(int)
    return Clip(clip.frames[np.minimum(shown, clip.num_frames - 1)], fps)


def resize_frame(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One frame, uint8 (height, width, 3), scaled to `size` (width, height)."""
    from PIL import Image

    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    return np.asarray(Image.fromarray(np.ascontiguousarray(frame)).resize(size, Image.Resampling.LANCZOS))


def fit_frame(frame: np.ndarray, size: tuple[int, int], how: How) -> np.ndarray:
    """One frame, uint8 (height, width, 3), at `size` (width, height) as `fit` says."""
    from PIL import Image

    height, width = frame.shape[:2]
    scales = size[0] / width, size[1] / height
    if how == "crop":
        # The largest box of the new shape, in the middle; its edges may lie between pixels.
        scale = max(scales)
        left, top = (width - size[0] / scale) / 2, (height - size[1] / scale) / 2
        box = (max(0.0, left), max(0.0, top), min(width, width - left), min(height, height - top))
        image = Image.fromarray(np.ascontiguousarray(frame))
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))
    scale = min(scales)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = resize_frame(frame, inner)
    return canvas


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if not (width >= 1 and height >= 1 and width * height <= MAX_PIXELS):
        raise InputError(f"size {width}x{height} is out of range: use at least 1x1 and at most {MAX_PIXELS} pixels")
