"""Files become clips: whole or in part, at the file's rate or another, all at once or frame by frame."""

import logging
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from patchworld.errors import InputError, MediaError
from patchworld.shapes import MAX_FRAMES, check_fps
from patchworld.video.clip import Clip, check_range
from patchworld.video.container import one_line
from patchworld.video.source import Picture, Source, VideoInfo, open_source

_log = logging.getLogger(__name__)


def probe(path: str | Path) -> VideoInfo:
    """Size, rate, duration, frames and sound of a video or image. Decodes one frame, to see how it is turned.

    Raises MediaError when the file cannot be read.
    """
    with open_source(path) as source:
        return source.info


def read(
    path: str | Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
) -> Clip:
    """Read the part of a video from `start` to `end` seconds (to its end when None) as a Clip.

    fps: frames a second of the clip; None takes the average rate of the file. Frame k of the clip is the one on display
    at `start + k / fps`, so a variable frame rate becomes an even one. A still image is one frame at any rate.
    max_frames: read no more than this many, the first ones; None reads all, up to MAX_FRAMES.

    Formats: mp4, mov, webm, mkv, avi, gif, png, jpg, webp, bmp, by content, not by name. Pictures come out upright,
    with square pixels, transparency on white. Sound is dropped, with one log line a file. The clip has the recipe
    stored in the file when it is the whole file as it is.

    Raises MediaError when the file cannot be read, is damaged or does not fit into memory, InputError for options that
    are out of range.
    """
    _check_options(start, end, fps)
    if max_frames is not None and not 1 <= max_frames <= MAX_FRAMES:
        raise InputError(f"max_frames={max_frames} is out of range: use a whole number from 1 to {MAX_FRAMES}")
    with open_source(path, whole=start == 0 and end is None) as source:
        info = source.info
        rate = fps or info.fps
        seconds = min(info.duration, end or info.duration) - start
        expected = 1 if info.num_frames == 1 else max(1, round(seconds * rate))
        if max_frames is not None:
            expected = min(expected, max_frames)
        _check_memory(one_line(path), expected, info.size)
        pixels = np.empty((expected, info.size[1], info.size[0], 3), np.uint8)
        count = 0
        for frame in _sampled(one_line(path), source, start, end, rate):
            if count == len(pixels):  # the file is longer than it says
                _check_memory(one_line(path), count * 3 // 2 + 1, info.size)
                pixels = np.concatenate([pixels, np.empty((count // 2 + 1, *pixels.shape[1:]), np.uint8)])
            pixels[count] = frame
            count += 1
            if count == max_frames:
                break
        as_it_is = start == 0 and end is None and fps is None and max_frames is None
        recipe = source.note.recipe if as_it_is and source.note else None
    wanted = {"path": str(path), "start": start, "end": end, "fps": fps, "max_frames": max_frames}
    return Clip(pixels[:count], rate, recipe, {name: value for name, value in wanted.items() if value})


def read_recipe(path: str | Path) -> dict[str, Any] | None:
    """The recipe stored in a video or image that patchworld wrote, or None when there is none. Decodes no frame.

    Raises MediaError when the file cannot be read.
    """
    with open_source(path) as source:
        return source.note.recipe if source.note else None


def frames(
    path: str | Path, *, start: float = 0.0, end: float | None = None, fps: float | None = None
) -> Iterator[np.ndarray]:
    """The frames that `read` would hold, one by one: uint8 arrays (height, width, 3), each the caller's own.

    For videos of any length: memory stays at a few frames. Options and errors as for `read`; the file is opened with
    the first frame and closed with the last, or when the iterator is dropped.
    """
    _check_options(start, end, fps)

    def opened() -> Iterator[np.ndarray]:
        with open_source(path, whole=start == 0 and end is None) as source:
            yield from _sampled(one_line(path), source, start, end, fps or source.info.fps)

    return opened()


def _sampled(name: str, source: Source, start: float, end: float | None, fps: float) -> Iterator[np.ndarray]:
    """The pixels on display at start, start + 1 / fps, ... before `end`."""
    for notice in source.notices:
        _say_once(f"{name}: {notice}")
    pictures = source.pictures(start)
    if source.info.num_frames == 1:
        pictures = (Picture(0.0, 1 / fps, picture.pixels) for picture in pictures)
    nothing = True
    shown: Picture | None = None
    pixels = np.empty(0)
    for picture in on_display(pictures, start, end, fps, source.rounding):
        if picture is not shown:
            shown, pixels = picture, picture.pixels()
            yield pixels
        else:
            yield pixels.copy()
        nothing = False
    if nothing:
        raise MediaError(f"{name} has nothing to show at start={start:g} s: it is {source.info.duration:.2f} s long")


def on_display(
    pictures: Iterator[Picture], start: float, end: float | None, fps: float, rounding: float
) -> Iterator[Picture]:
    """For each instant start + k / fps before `end`, the picture on display: the last one that has begun.

    rounding: seconds by which the times of the pictures may be rounded; a picture that begins so little after an
    instant, and always less than a quarter of a frame, counts as having begun.
    """
    slack = min(rounding, 0.25 / fps) + 1e-6
    number = 0
    for picture in pictures:
        while start + number / fps < picture.end - slack:
            yield picture
            number += 1
            if end is not None and start + number / fps >= end - 1e-6:
                return  # before the next picture is asked for: it would be decoded for nothing


def _check_options(start: float, end: float | None, fps: float | None) -> None:
    check_range(start, end)
    if fps is not None:
        check_fps(fps)


def _check_memory(name: str, num_frames: int, size: tuple[int, int]) -> None:
    """Raise MediaError when a clip of this many frames is longer than any may be, or larger than the memory."""
    remedy = "read a part with start and end, lower fps, or take its frames one by one with frames()"
    if num_frames > MAX_FRAMES:
        raise MediaError(f"{name} gives {num_frames} frames, a clip holds at most {MAX_FRAMES}: {remedy}")
    needed = num_frames * size[0] * size[1] * 3
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 40
    if needed > memory:
        raise MediaError(f"{name} needs {needed / 1e9:.0f} GB as one clip, there are {memory / 1e9:.0f}: {remedy}")


@lru_cache(maxsize=65536)
def _say_once(message: str) -> None:
    _log.warning(message)
