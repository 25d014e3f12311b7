"""Frames become coded video: H.264, VP9 and gif, with FFmpeg."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from patchworld.errors import MediaError
from patchworld.provenance import aigc
from patchworld.video.gif import GifPalette, append_comment
from patchworld.video.recipe import Note, pack_note
from patchworld.video.whole_file import disk_error, disk_errors

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".mkv": "matroska", ".gif": "gif"}
_BT709 = 1  # the code for primaries, transfer and matrix alike (ITU-T H.273): what browsers assume
_LIMITED_RANGE = 1  # luma from 16 to 235
_ONE_THREAD_PIXELS = 256 * 256  # below this, threads cost more than they bring
_KEY_FRAME_SECONDS = 2.0  # a part is read from the key frame before it

# Without it x264 gives other bytes now and then (about once in 200 small clips here), and on other processors.
_SAME_BYTES = {"x264-params": "cpu-independent=1"}


class VideoEncoder:
    """Codes frames into an open file. suffix: .mp4, .mov, .webm, .mkv or .gif. note: size, rate and recipe.

    Used as a context: leaving it frees the encoder, and only `finish` completes the file.
    """

    def __init__(self, path: Path, file: BinaryIO, suffix: str, note: Note, crf: int) -> None:
        self._path, self._suffix, self._note = path, suffix, note
        self._sink = _Sink(file)
        self._text = pack_note(note)
        self._rate = Fraction(note.fps).limit_denominator(1001)  # 23.976... is 24000/1001
        self._count = 0
        self._palette = GifPalette()
        # H.264 with 4:2:0 colour takes even sizes only: the last row or column is repeated, and `read` cuts it off.
        width, height = note.size
        self._pad = (height % 2, width % 2) if suffix in (".mp4", ".mov") else (0, 0)
        self._size = (width + self._pad[1], height + self._pad[0])
        with self._refusals():
            self._container, self._stream = self._open(crf)

    def _open(self, crf: int) -> tuple["OutputContainer", "VideoStream"]:
        import av

        container = av.open(
            self._sink,
            "w",
            format=_CONTAINERS[self._suffix],
            container_options=_container_options(self._suffix),
            io_open=lambda url, flags, options: self._sink.reopened(),  # faststart moves the index to the front
        )
        if self._suffix != ".gif":
            container.metadata["comment"] = self._text
            if self._note.recipe is not None:
                container.metadata["AIGC"] = json.dumps({"AIGC": aigc(self._note.recipe)})
        codec, pixel_format, options = _codec(self._suffix, crf, float(self._rate))
        stream = cast("VideoStream", container.add_stream(codec, rate=self._rate, options=options))
        stream.width, stream.height = self._size
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.thread_count = 1 if stream.width * stream.height <= _ONE_THREAD_PIXELS else 4
        if pixel_format == "yuv420p":
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
        return container, stream

    def add(self, frame: np.ndarray) -> None:
        """Code one frame, uint8 (height, width, 3)."""
        picture = self._picture(frame)
        picture.pts, picture.time_base = self._count, 1 / self._rate
        self._count += 1
        with self._refusals():
            self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        """Write what the encoder still holds, and the index."""
        with self._refusals():
            self._container.mux(self._stream.encode(None))
            self._container.close()
        if self._suffix == ".gif":
            with disk_errors(self._path):
                append_comment(self._sink.file, self._text.encode("ascii"))

    def __enter__(self) -> "VideoEncoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._sink.closed = True  # closing an unfinished container writes its index: let it go nowhere
        with suppress(Exception):
            self._container.close()

    def _picture(self, frame: np.ndarray) -> "av.VideoFrame":
        import av
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        if self._suffix == ".gif":
            pal8: Any = self._palette.indexed(frame)  # PyAV takes a pair for this one format
            return av.VideoFrame.from_ndarray(pal8, format="pal8")
        if any(self._pad):
            frame = np.pad(frame, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        if self._stream.pix_fmt == "rgb24":
            return picture
        exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
        return picture.reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=exact | Interpolation.BITEXACT,
            threads=1,
        )

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what the disk or the encoder refuses inside the block into a DiskError or a MediaError."""
        import av

        refusal: Exception | None = None
        try:
            yield
        except av.FFmpegError as error:
            refusal = error
        if self._sink.error:
            raise disk_error(self._path, self._sink.error) from self._sink.error
        if refusal:
            width, height = self._note.size
            raise MediaError(
                f"{self._path} cannot hold {width}x{height} at {self._note.fps:g} frames a second: the {self._suffix} "
                "encoder refuses it; use another size, rate or format"
            ) from refusal


def _container_options(suffix: str) -> dict[str, str]:
    same_bytes = {"fflags": "+bitexact"}  # no random identifiers
    if suffix in (".mp4", ".mov"):  # classic tags know no AIGC, and in mov they hold too little for some recipes
        return {"movflags": "+faststart+use_metadata_tags", **same_bytes}
    return same_bytes


def _codec(suffix: str, crf: int, fps: float) -> tuple[str, str, dict[str, str]]:
    """The encoder, its pixel format and its options."""
    key_frames = {"g": str(max(1, round(_KEY_FRAME_SECONDS * fps)))}
    if suffix == ".gif":
        return "gif", "pal8", {}
    if suffix == ".mkv":
        return "libx264rgb", "rgb24", {"qp": "0", "preset": "medium", **_SAME_BYTES, **key_frames}
    if suffix == ".webm":
        # VP9 counts quality from 0 to 63 and needs the bit rate out of the way; cpu-used 4 is fast enough to wait for.
        vp9 = {"crf": str(round(crf * 63 / 51)), "b": "0", "cpu-used": "4", "row-mt": "1"}
        return "libvpx-vp9", "yuv420p", {**vp9, **key_frames}
    # swscale puts the colour sample in the middle of its four pixels; unsaid, H.264 means at their left.
    x264 = {"crf": str(crf), "preset": "medium", "chroma_sample_location": "center"}
    return "libx264", "yuv420p", {**x264, **_SAME_BYTES, **key_frames}


class _Sink:
    """The file that libav writes to. Exceptions do not pass safely through libav: the first is kept for afterwards."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.name = file.name
        self.error: OSError | None = None
        self.closed = False

    def write(self, data: bytes) -> int:
        if not (self.closed or self.error):
            try:
                self.file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        if not (self.closed or self.error):
            try:
                return self.file.seek(offset, whence)
            except OSError as error:
                self.error = error
        return offset

    def tell(self) -> int:
        return 0 if self.closed else self.file.tell()

    def reopened(self) -> BinaryIO:
        try:
            self.file.flush()
        except OSError as error:
            self.error = error
        return open(self.name, "rb")
