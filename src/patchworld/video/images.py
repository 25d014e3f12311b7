"""Still images, and the animated ones that FFmpeg does not read (webp, png): pictures with times, by Pillow."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from patchworld.errors import MediaError
from patchworld.shapes import MAX_FRAMES
from patchworld.video.recipe import EXIF_IMAGE_DESCRIPTION, Note, pack_note, unpack_note
from patchworld.video.source import Picture, VideoInfo, check_picture_size, on_white
from patchworld.video.whole_file import disk_errors

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

STILL_FPS = 1.0  # a still has no rate of its own; patchworld's own images carry one in their note
_EXIF_ORIENTATION = 0x0112
_EXIF_MOST_BYTES = 60_000  # a jpg keeps its EXIF in one segment of 65,533 bytes
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_SHORTEST_FRAME = 0.02  # seconds; browsers show an animated frame that asks for less, or for nothing, for a tenth
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


class ImageSource:
    """An open image; see `patchworld.video.source.Source`."""

    rounding = 0.0
    notices: tuple[str, ...] = ()

    def __init__(self, path: str | Path, file: BinaryIO) -> None:
        from PIL import Image

        self._path = path
        try:
            with warnings.catch_warnings():  # Pillow warns of large pictures; they are refused here
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                self._image: PillowImage = Image.open(file, formats=_FORMATS)
                if self._image.format == "PNG":
                    self._image.verify()  # every chunk against its checksum, which decoding leaves out
                    file.seek(0)
                    self._image = Image.open(file, formats=_FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise MediaError(f"{path} is too large a picture: scale it down to 4096x4096 or less") from error
        except _PILLOW_ERRORS as error:
            raise self._damage(error) from error
        check_picture_size(path, *self._image.size)
        # Phones append a preview or a depth map to a jpg, which Pillow counts as a frame.
        self._num_frames = getattr(self._image, "n_frames", 1) if self._image.format in ("PNG", "WEBP") else 1
        if self._num_frames > MAX_FRAMES:
            raise MediaError(f"{path} has {self._num_frames} frames: at most {MAX_FRAMES}; cut it into parts")

    @cached_property
    def note(self) -> Note | None:
        if self._image.format == "PNG":
            return unpack_note(self._image.info.get("Comment"))
        try:
            return unpack_note(self._image.getexif().get(EXIF_IMAGE_DESCRIPTION))
        except _PILLOW_ERRORS:
            return None

    @cached_property
    def info(self) -> VideoInfo:
        width, height = self._image.size
        if self._orientation >= 5:
            width, height = height, width
        if self._num_frames == 1:
            rate = self.note.fps if self.note else STILL_FPS
            return VideoInfo((width, height), rate, 1 / rate, 1, has_audio=False)
        seconds = sum(self._show(number) for number in range(self._num_frames))
        return VideoInfo((width, height), self._num_frames / seconds, seconds, self._num_frames, has_audio=False)

    def pictures(self, start: float) -> Iterator[Picture]:
        """See `Source.pictures`. Always from the first frame: each may build on the one before."""
        time = 0.0
        for number in range(self._num_frames):
            end = time + self._show(number)
            # Pillow draws every frame on one canvas, so a frame is copied before the next is drawn.
            yield Picture(time, end, partial(self._pixels, self._image.copy() if self._num_frames > 1 else self._image))
            time = end

    @property
    def _orientation(self) -> int:
        """1 to 8 as in EXIF; from 5 on, width and height are swapped."""
        try:
            orientation = self._image.getexif().get(_EXIF_ORIENTATION, 1)
        except _PILLOW_ERRORS:
            return 1
        return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1

    def _show(self, number: int) -> float:
        """Decode frame `number` onto the canvas; for how many seconds it is shown."""
        try:
            self._image.seek(number)
            self._image.load()
        except _PILLOW_ERRORS as error:
            raise self._damage(error) from error
        if self._num_frames == 1:
            return self.info.duration
        seconds = float(self._image.info.get("duration") or 0) / 1000
        return seconds if seconds >= _SHORTEST_FRAME else 0.1

    def _pixels(self, image: "PillowImage") -> np.ndarray:
        """uint8 (height, width, 3): upright by EXIF, transparency on white, 16-bit grey scaled to 8."""
        from PIL import ImageOps

        try:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2)
            if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
                return on_white(np.asarray(image.convert("RGBA")))
            return np.array(image.convert("RGB"))
        except _PILLOW_ERRORS as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> MediaError:
        reason = (str(error) or "unreadable").splitlines()[0]
        return MediaError(f"{self._path} is a damaged image: {reason}; copy or export it again")


class ImageEncoder:
    """Codes one frame into an open file. suffix: .png (every pixel is kept), .jpg, .jpeg or .webp."""

    def __init__(self, path: Path, file: BinaryIO, suffix: str, note: Note) -> None:
        self._path, self._file, self._suffix, self._text = path, file, suffix, pack_note(note)
        if suffix != ".png" and len(self._text) > _EXIF_MOST_BYTES:
            raise MediaError(f"{path} cannot hold a recipe of {len(self._text)} bytes: use .png, it takes any length")

    def add(self, frame: np.ndarray) -> None:
        """Write the frame, uint8 (height, width, 3)."""
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        image = Image.fromarray(np.ascontiguousarray(frame))
        with disk_errors(self._path):
            if self._suffix == ".png":
                text = PngInfo()
                text.add_text("Comment", self._text)
                image.save(self._file, "PNG", pnginfo=text)
                return
            exif = Image.Exif()
            exif[EXIF_IMAGE_DESCRIPTION] = self._text
            if self._suffix == ".webp":
                image.save(self._file, "WEBP", quality=95, exif=exif)
            else:
                image.save(self._file, "JPEG", quality=95, subsampling=0, exif=exif)

    def finish(self) -> None:
        """Nothing is held back: the frame is in the file."""
