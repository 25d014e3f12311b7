"""A clip: the pixels of a video or an image, and how fast they pass."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from patchworld.errors import InputError
from patchworld.shapes import MAX_FRAMES, MAX_PIXELS, check_fps


@dataclass(frozen=True, eq=False)
class Clip:
    """A video, or an image as a video of one frame.

    frames: uint8 array (frames, height, width, 3), RGB, 0 to 255. Not copied: a clip is a view of its array.
    fps: frames a second, 0.1 to 1000.
    recipe: how the clip was made, a JSON object, or None. `save` writes it into the file and `read` brings it back.
    source: the arguments of `read` that gave the clip, or None. Recipes of what is made from it name it so.

    Raises InputError when a field breaks these rules.
    """

    frames: np.ndarray
    fps: float
    recipe: dict[str, Any] | None = field(default=None, repr=False)
    source: dict[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_frames(self.frames)
        if isinstance(self.fps, bool) or not isinstance(self.fps, int | float | np.integer | np.floating):
            raise InputError(f"fps={self.fps!r} is not a number: use a frame rate from 0.1 to 1000 a second")
        # A frozen dataclass is set through object. fps may come as a numpy number; JSON and PyAV want a plain float.
        object.__setattr__(self, "fps", check_fps(float(self.fps)))
        if not (self.recipe is None or isinstance(self.recipe, dict)):
            raise InputError(f"recipe is a {type(self.recipe).__name__}: use a dict that JSON can hold, or None")

    @property
    def num_frames(self) -> int:
        return self.frames.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    @property
    def duration(self) -> float:
        """Seconds on screen: every frame, the last one too, is shown for 1 / fps."""
        return self.num_frames / self.fps

    @property
    def is_image(self) -> bool:
        return self.num_frames == 1

    def __repr__(self) -> str:
        width, height = self.size
        return f"Clip({self.num_frames} frames, {width}x{height}, {self.fps:g} fps, {self.duration:.2f} s)"

    def seconds(self, start: float = 0.0, end: float | None = None) -> "Clip":
        """The part from `start` to `end` seconds (to the end of the clip when None), as a view without its recipe.

        Holds the frames that begin in [start, end); when that is none, the frame on display at `start`.
        Raises InputError when the range is empty or begins after the end of the clip.
        """
        check_range(start, end)
        if start >= self.duration:
            raise InputError(f"start={start:g} s is after the end: the clip is {self.duration:g} s long")
        # A frame that begins a rounding error before `start` counts as beginning at `start`.
        first = math.ceil(start * self.fps - 1e-6)
        last = self.num_frames if end is None else min(self.num_frames, math.ceil(end * self.fps - 1e-6))
        if first >= last:
            first = min(math.floor(start * self.fps + 1e-6), self.num_frames - 1)
            last = first + 1
        return Clip(self.frames[first:last], self.fps)

    def save(self, path: str | Path, *, crf: int = 18) -> Path:
        """Write the clip to `path`; the format follows the file name. See `patchworld.video.write`."""
        from patchworld.video.writing import write

        return write(self, path, crf=crf)


def check_frames(frames: object) -> None:
    """Raise InputError unless `frames` is a uint8 array (frames, height, width, 3) within the limits of shapes.py."""
    if not isinstance(frames, np.ndarray):
        raise InputError(f"frames is a {type(frames).__name__}: use a numpy uint8 array (frames, height, width, 3)")
    if frames.dtype != np.uint8:
        raise InputError(f"frames has dtype {frames.dtype}: use uint8, 0 to 255")
    if frames.ndim != 4 or frames.shape[3] != 3:
        raise InputError(f"frames has shape {frames.shape}: use (frames, height, width, 3)")
    if 0 in frames.shape:
        raise InputError(f"frames has shape {frames.shape}: a clip needs at least one frame of at least 1x1 pixels")
    if frames.shape[0] > MAX_FRAMES:
        raise InputError(f"{frames.shape[0]} frames are too many: a clip holds at most {MAX_FRAMES}")
    if frames.shape[1] * frames.shape[2] > MAX_PIXELS:
        raise InputError(f"a frame of {frames.shape[2]}x{frames.shape[1]} is too large: at most {MAX_PIXELS} pixels")


def check_range(start: float, end: float | None) -> None:
    """Raise InputError unless 0 <= start < end, in seconds (`end` None means to the end)."""
    if not (math.isfinite(start) and start >= 0):
        raise InputError(f"start={start} is out of range: use seconds from 0 upwards")
    if end is not None and not (math.isfinite(end) and end > start):
        raise InputError(f"end={end} is out of range: use seconds after start={start}")
