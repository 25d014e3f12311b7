"""All size arithmetic: pixels, latents and tokens, and how they divide into each other.

Axis letters, the same in the whole project: b batch, c channels, f frames, h height, w width; n packed tokens,
p values of one patch, d model width, k head width. Sizes a person types are (width, height); arrays are (frames,
height, width).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from patchworld.errors import InputError

MAX_PIXELS = 4096 * 4096  # of one frame
MAX_FRAMES = 100_000


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `value`."""
    return -(-value // multiple) * multiple


@dataclass(frozen=True)
class Grid:
    """How many pixels one step of a coarser grid spans: `time` frames, `space` pixels a side.

    An autoencoder compresses by one grid (4 frames, 8 pixels), patches divide its latents by another.
    The first step in time always holds one frame only, so a still image is a video of one frame.
    """

    time: int
    space: int

    def __mul__(self, other: "Grid") -> "Grid":
        return Grid(self.time * other.time, self.space * other.space)


@dataclass(frozen=True)
class Shape:
    """Frames, height and width of a clip in pixels, of its latent, or of its tokens."""

    frames: int
    height: int
    width: int

    def __iter__(self) -> Iterator[int]:
        return iter((self.frames, self.height, self.width))

    @property
    def volume(self) -> int:
        return self.frames * self.height * self.width

    def padded(self, grid: Grid) -> "Shape":
        """The smallest shape that holds this one and divides into `grid` without remainder."""
        return Shape(
            1 + round_up(self.frames - 1, grid.time),
            round_up(self.height, grid.space),
            round_up(self.width, grid.space),
        )

    def divided(self, grid: Grid) -> "Shape":
        """Steps of `grid` in this shape, rounded up: the shape of the latent, or of the tokens."""
        padded = self.padded(grid)
        return Shape(1 + (padded.frames - 1) // grid.time, padded.height // grid.space, padded.width // grid.space)

    def multiplied(self, grid: Grid) -> "Shape":
        """The shape whose division by `grid` is this one."""
        return Shape(1 + (self.frames - 1) * grid.time, self.height * grid.space, self.width * grid.space)


def pixel_shape(frames: int, size: tuple[int, int]) -> Shape:
    """A checked pixel shape from a number of frames and a size (width, height) that a person gave."""
    width, height = size
    if not (isinstance(frames, int) and 1 <= frames <= MAX_FRAMES):
        raise InputError(f"frames={frames} is out of range: use a whole number from 1 to {MAX_FRAMES}")
    if not (isinstance(width, int) and isinstance(height, int) and min(width, height) >= 8):
        raise InputError(
            f"size {width}x{height} is too small: width and height must be whole numbers of at least 8 pixels"
        )
    if width * height > MAX_PIXELS:
        raise InputError(f"size {width}x{height} is too large: at most {MAX_PIXELS} pixels a frame, such as 4096x4096")
    return Shape(frames, height, width)


def check_fps(fps: float) -> float:
    """`fps` as a float, or an error when it is not a frame rate between 0.1 and 1000."""
    if not (math.isfinite(fps) and 0.1 <= fps <= 1000):
        raise InputError(f"fps={fps} is out of range: use a frame rate from 0.1 to 1000 a second")
    return float(fps)
