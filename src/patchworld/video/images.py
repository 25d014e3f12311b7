"""Still images, and the animated ones that FFmpeg does not read (webp, png): pictures with times, by Pillow."""

import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np

from patchworld.errors import MediaError
from patchworld.provenance import aigc, source_type
from patchworld.shapes import MAX_FRAMES
from patchworld.video.container import READABLE
from patchworld.video.recipe import EXIF_IMAGE_DESCRIPTION, Note, pack_note, unpack_note
from patchworld.video.source import Picture, VideoInfo, check_picture_size, on_white, turned
from patchworld.video.whole_file import disk_errors

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

STILL_FPS = 1.0  # a still has no rate of its own; patchworld's own images carry one in their note
_EXIF_ORIENTATION = 0x0112
_EXIF_MOST_BYTES = 60_000  # a jpg keeps its EXIF in one segment of 65,533 bytes

# Orientation: swap x and y, then reverse x, then reverse y (EXIF 2.32, 4.6.4).
_TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Where programs for photographs look for the mark of AI-generated pictures (IPTC Photo Metadata, DigitalSourceType),
# and programs for GB 45438 for its field, in the namespace of its committee.
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" '
    'Iptc4xmpExt:DigitalSourceType="{}" TC260:AIGC={}/></rdf:RDF></x:xmpmeta>'
)
_SHORTEST_FRAME = 0.02  # seconds; browsers show an animated frame that asks for less, or for nothing, for a tenth
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


class ImageSource:
    """An open image; see `patchworld.video.source.Source`."""

    rounding = 0.0
    notices: tuple[str, ...] = ()

    def __init__(self, name: str, file: BinaryIO) -> None:
        from PIL import Image, UnidentifiedImageError

        self._name = name
        try:
            with warnings.catch_warnings():  # Pillow warns of large pictures, refused here, and of odd tags
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                self._image: PillowImage = Image.open(file, formats=_FORMATS)
                if self._image.format == "PNG":
                    self._image.verify()  # every chunk against its checksum, which decoding leaves out
                    file.seek(0)
                    self._image = Image.open(file, formats=_FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise MediaError(f"{name} is too large a picture: scale it down to 4096x4096 or less") from error
        except UnidentifiedImageError as error:
            raise MediaError(f"{name} is no image that can be read: give an {READABLE} file") from error
        except _PILLOW_ERRORS as error:
            raise self._damage(error) from error
        check_picture_size(name, *self._image.size)
        # Phones append a preview or a depth map to a jpg, which Pillow counts as a frame.
        self._num_frames = getattr(self._image, "n_frames", 1) if self._image.format in ("PNG", "WEBP") else 1
        if self._num_frames > MAX_FRAMES:
            raise MediaError(f"{name} has {self._num_frames} frames: at most {MAX_FRAMES}; cut it into parts")

    @cached_property
    def note(self) -> Note | None:
        if self._image.format == "PNG":
            return unpack_note(self._image.info.get("Comment"))
        return unpack_note(self._exif.get(EXIF_IMAGE_DESCRIPTION))

    @cached_property
    def info(self) -> VideoInfo:
        width, height = self._image.size
        if _TURNS[self._orientation][0]:
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
            yield Picture(time, end, self._pixels)
            time = end

    @cached_property
    def _exif(self) -> dict[int, Any]:
        """The tags of a photograph; a damaged list of tags counts as none, the picture may be whole."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return dict(self._image.getexif())
            except _PILLOW_ERRORS:
                return {}

    @property
    def _orientation(self) -> int:
        orientation = self._exif.get(_EXIF_ORIENTATION)
        return orientation if orientation in _TURNS else 1

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

    def _pixels(self) -> np.ndarray:
        """The frame on the canvas, uint8 (height, width, 3): upright, on white, 16 bits a pixel made 8."""
        image = self._image
        try:
            if image.mode.startswith("I"):
                grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                pixels = np.repeat(grey[:, :, None], 3, axis=2)
            elif "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
                pixels = on_white(np.asarray(image.convert("RGBA")))
            else:
                pixels = np.array(image.convert("RGB"))
        except _PILLOW_ERRORS as error:
            raise self._damage(error) from error
        return np.ascontiguousarray(turned(pixels, *_TURNS[self._orientation]))

    def _damage(self, error: Exception) -> MediaError:
        reason = (str(error) or "unreadable").splitlines()[0]
        return MediaError(f"{self._name} is a damaged image: {reason}; copy or export it again")


class ImageEncoder:
    """Codes one frame into an open file. suffix: .png (every pixel is kept), .jpg, .jpeg or .webp."""

    def __init__(self, path: Path, file: BinaryIO, suffix: str, note: Note) -> None:
        self._path, self._file, self._suffix, self._text = path, file, suffix, pack_note(note)
        self._xmp = b""
        if note.recipe is not None:
            field = quoteattr(json.dumps(aigc(note.recipe)))
            self._xmp = _XMP.format(source_type(note.recipe), field).encode()
        if suffix != ".png" and len(self._text) > _EXIF_MOST_BYTES:
            raise MediaError(f"{path} cannot hold a recipe of {len(self._text)} bytes: use .png, it takes any length")

    def add(self, frame: np.ndarray) -> None:
        """Write the frame, uint8 (height, width, 3)."""
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        image = Image.fromarray(np.ascontiguousarray(frame))
        # By way of memory: given a file, Pillow does not notice when a full disk takes only a part of what it writes.
        coded = io.BytesIO()
        if self._suffix == ".png":
            text = PngInfo()
            text.add_text("Comment", self._text)
            if self._xmp:
                text.add_itxt("XML:com.adobe.xmp", self._xmp.decode())
            image.save(coded, "PNG", pnginfo=text)
        else:
            exif = Image.Exif()
            exif[EXIF_IMAGE_DESCRIPTION] = self._text
            how = {"format": "WEBP"} if self._suffix == ".webp" else {"format": "JPEG", "subsampling": 0}
            image.save(coded, quality=95, exif=exif, xmp=self._xmp, **how)
        with disk_errors(self._path):
            self._file.write(coded.getvalue())

    def finish(self) -> None:
        """Nothing is held back: the frame is in the file."""


def webp(frame: np.ndarray, quality: int = 85) -> bytes:
    """One frame, uint8 (height, width, 3), as a webp picture that is to be sent, not kept."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(frame).save(content, "webp", quality=quality)
    return content.getvalue()
