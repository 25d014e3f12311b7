"""Clips become files: whole files, or none."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from patchworld.errors import DiskError, InputError, MediaError
from patchworld.provenance import SIGNED, sign, signing_key
from patchworld.shapes import MAX_FRAMES, MAX_PIXELS, check_fps
from patchworld.video.clip import Clip
from patchworld.video.label import labelled
from patchworld.video.recipe import Note, pack_note
from patchworld.video.whole_file import disk_errors, whole_file

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".gif")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_GIF_MOST_FPS = 50  # browsers slow a gif down to 10 when its frames are shorter than two hundredths of a second
_LONGEST_SIDE = {".mp4": 16384, ".mov": 16384, ".mkv": 16384, ".webp": 16383}
_LONGEST_SIDE_ELSE = 65535


class _Encoder(Protocol):
    def add(self, frame: np.ndarray) -> None: ...

    def finish(self) -> None: ...


def write(clip: Clip, path: str | Path, *, crf: int = 18) -> Path:
    """Write `clip` to `path` and return the path. `Writer` lists the formats, and what is promised and raised."""
    check_output(path, size=clip.size, fps=clip.fps, num_frames=clip.num_frames)
    with Writer(path, clip.size, clip.fps, recipe=clip.recipe, crf=crf) as writer:
        for frame in clip.frames:
            writer.add(frame)
    return Path(path)


class Writer:
    """Writes a video frame by frame, so that it may be longer than memory:
    `with Writer("out.mp4", (64, 48), 24, recipe={"seed": 3}) as writer: writer.add(frame)`.

    The format follows the name: .mp4 and .mov (H.264, plays in browsers), .webm (VP9), .gif, .mkv (lossless H.264 in
    RGB: every pixel comes back), and for a single frame .png (every pixel comes back), .jpg and .webp. `read` gives all
    of them back at their exact size; other players show an odd size in mp4 and mov with its last row or column twice.

    size: (width, height) of every frame. fps: frames a second. crf: quality of mp4, mov and webm, from 0 (best) to 51.
    recipe: how the frames were dreamed, a JSON object, stored in the file. With one the file is marked as AI-generated
    and signed with the operator's key (mp4, mov, gif, png, jpg and webp; the others can hold no C2PA manifest). If it
    says {"label": true}, every frame gets a visible label. given: see `provenance.sign`.

    Whole file or nothing: frames go to a hidden file in the same folder, which takes the name when the block ends. When
    the block ends by an error or Ctrl-C it is removed, and what was at `path` stays as it was.

    Raises MediaError for a clip that the format cannot hold, InputError for wrong frames or options, DiskError when the
    disk is full or the folder closed, RunError when there can be no key to sign with.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float,
        *,
        recipe: dict[str, Any] | None = None,
        given: Collection[str] = (),
        crf: int = 18,
    ) -> None:
        if not 0 <= crf <= 51:
            raise InputError(f"crf={crf} is out of range: use 0 (best) to 51, such as 18")
        self._path, self._crf, self._given = Path(path), crf, given
        self._note = Note((size[0], size[1]), check_fps(fps), recipe)
        self._count = 0
        check_output(path, size=size, fps=fps)
        pack_note(self._note)  # a recipe that is not JSON is refused now, not after the last frame
        self._signed = recipe is not None and self._path.suffix.lower() in SIGNED
        self._label = recipe is not None and recipe.get("label") is True
        if self._signed:
            signing_key()  # so is a key that cannot be used

    def add(self, frame: np.ndarray) -> None:
        """Write the next frame: uint8 (height, width, 3), of the size given at the start."""
        width, height = self._note.size
        if not (isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.shape == (height, width, 3)):
            found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise InputError(f"frame {self._count} is {found}: this video takes uint8 ({height}, {width}, 3)")
        self._count += 1
        _check_count(self._path, self._count)
        self._encoder.add(labelled(frame) if self._label else frame)

    def __enter__(self) -> "Writer":
        self._session = self._written()
        self._session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._session.__exit__(kind, error, trace)

    @contextmanager
    def _written(self) -> Iterator[None]:
        suffix = self._path.suffix.lower()
        with whole_file(self._path) as file:
            if suffix in IMAGE_SUFFIXES:
                from patchworld.video.images import ImageEncoder

                self._encoder: _Encoder = ImageEncoder(self._path, file, suffix, self._note)
                yield
                self._finish()
            else:
                from patchworld.video.encoding import VideoEncoder

                with VideoEncoder(self._path, file, suffix, self._note, self._crf) as self._encoder:
                    yield
                    self._finish()
            if self._signed and self._note.recipe is not None:
                with disk_errors(self._path):
                    sign(file, suffix, self._note.recipe, self._given)

    def _finish(self) -> None:
        if self._count == 0:
            raise InputError(f"{self._path} was given no frame: add at least one")
        self._encoder.finish()


def check_output(
    path: str | Path, *, size: tuple[int, int] | None = None, fps: float | None = None, num_frames: int | None = None
) -> None:
    """Raise MediaError or DiskError when `path` cannot take such a clip. To be asked before the clip is made.

    size: (width, height). What is None is not checked.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES + IMAGE_SUFFIXES:
        raise MediaError(f"{path} names no format to write: end it in {', '.join(VIDEO_SUFFIXES + IMAGE_SUFFIXES)}")
    if num_frames is not None:
        _check_count(path, num_frames)
    if fps is not None and fps > _GIF_MOST_FPS and suffix == ".gif":
        raise MediaError(f"{path} cannot show {fps:g} frames a second, a gif at most {_GIF_MOST_FPS}: use .mp4")
    if size is not None:
        most = _LONGEST_SIDE.get(suffix, _LONGEST_SIDE_ELSE)
        if min(size) < 1 or max(size) > most or size[0] * size[1] > MAX_PIXELS:
            limit = f"sides of 1 to {most} and at most {MAX_PIXELS} pixels"
            raise MediaError(f"{path} cannot hold a picture of {size[0]}x{size[1]}: use {limit}")
    if path.is_dir():
        raise MediaError(f"{path} is a folder: give the name of a file")
    if path.exists() and not path.is_file():
        raise MediaError(f"{path} is not a regular file but a device or pipe: give the name of a file")
    if not path.parent.is_dir():
        raise MediaError(f"{path} cannot be written, its folder does not exist: create it or write elsewhere")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise DiskError(f"{path} cannot be written, its folder is closed: change the permissions or write elsewhere")


def _check_count(path: Path, num_frames: int) -> None:
    if not 1 <= num_frames <= MAX_FRAMES:
        raise MediaError(f"{path} cannot hold {num_frames} frames: use 1 to {MAX_FRAMES}")
    if num_frames > 1 and path.suffix.lower() in IMAGE_SUFFIXES:
        raise MediaError(f"{path} is an image of one frame, not {num_frames}: use .mp4, .webm, .gif or a contact sheet")
