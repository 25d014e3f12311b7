"""One open file as a line of pictures with times: the common face of videos (FFmpeg) and still images (Pillow)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from patchworld.errors import MediaError
from patchworld.shapes import MAX_PIXELS
from patchworld.video.container import one_line, open_media
from patchworld.video.recipe import Note


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a file before it is read.

    size: (width, height) as displayed: rotated upright, pixels square. fps: average frame rate, 0.1 to 1000.
    duration: seconds. num_frames: None when the file does not say. has_audio: reading drops the sound.
    """

    size: tuple[int, int]
    fps: float
    duration: float
    num_frames: int | None
    has_audio: bool


@dataclass(frozen=True)
class Picture:
    """One frame of a file: on display from `time` to `end`, in seconds from the first frame.

    `pixels()` makes the array (height, width, 3), uint8 RGB. It is costly: it is called only for what is shown, before
    the next picture is asked for.
    """

    time: float
    end: float
    pixels: Callable[[], np.ndarray]


class Source(Protocol):
    """An open file. rounding: by how many seconds the times of its pictures may be rounded."""

    rounding: float

    @property
    def info(self) -> VideoInfo: ...

    @property
    def note(self) -> Note | None:
        """What patchworld wrote into the file, see recipe.py."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What reading the file loses, to be told to the user."""
        ...

    def pictures(self, start: float) -> Iterator[Picture]:
        """The pictures in order of time, from the one on display at `start` seconds or an earlier one."""
        ...


@contextmanager
def open_source(path: str | Path, *, whole: bool = False) -> Iterator[Source]:
    """Open a video or image for reading. whole: all of it will be read, so it is worth checking more.

    Raises MediaError when it is no video or image, is damaged, or is too large.
    """
    file, kind = open_media(path, whole=whole)
    name = one_line(path)
    with file:
        if kind == "image":
            from patchworld.video.images import ImageSource

            yield ImageSource(name, file)
        else:
            from patchworld.video.decoding import open_video

            with open_video(name, file, kind) as source:
                yield source


def check_picture_size(name: str, width: int, height: int) -> None:
    """Raise MediaError for a picture of no size, or so large that decoding it could exhaust the memory."""
    if width < 1 or height < 1:
        raise MediaError(f"{name} declares a picture of {width}x{height}: the file is damaged; export it again")
    if width * height > MAX_PIXELS:
        raise MediaError(f"{name} has pictures of {width}x{height}, more than {MAX_PIXELS} pixels: scale it down")


def turned(picture: np.ndarray, transposed: bool, mirrored: bool, upended: bool) -> np.ndarray:
    """(height, width, 3) with x and y swapped, then x reversed, then y reversed, each if asked."""
    if transposed:
        picture = picture.transpose(1, 0, 2)
    if mirrored:
        picture = picture[:, ::-1]
    return picture[::-1] if upended else picture


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Flatten (height, width, 4) onto a white ground, as a page shows it: (height, width, 3), uint8."""
    alpha = rgba[:, :, 3:].astype(np.uint16)
    mixed = rgba[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)
