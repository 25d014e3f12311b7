"""Videos become pictures with times: demuxing, seeking and decoding with FFmpeg, on its own terms.

Damage that decoders hide is made visible here. A damaged frame is an error, not a grey patch: three signs are watched,
the decoder's exceptions, its corrupt flag, and frames that went in and never came out.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from patchworld.errors import MediaError
from patchworld.shapes import MAX_PIXELS
from patchworld.video.container import gif_comments
from patchworld.video.recipe import Note, note_in_tags, unpack_note
from patchworld.video.source import Picture, VideoInfo, check_picture_size
from patchworld.video.upright import View, upright, view_of

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

# One packet of these codecs is one frame on display. (VP8, and MPEG-4 in avi, also pack frames that are never shown.)
_ONE_FRAME_A_PACKET = ("h264", "hevc", "vp9", "av1", "libdav1d", "libvpx-vp9")

_HDR_TRANSFERS = (16, 18)  # PQ and HLG (ITU-T H.273)

# FFmpeg's own VP8 and VP9 decoders skip the alpha plane; libvpx's read it.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@contextmanager
def open_video(name: str, file: BinaryIO, kind: str) -> Iterator["VideoSource"]:
    """Open a checked file with FFmpeg's demuxer `kind`. Whatever libav raises inside the block becomes a MediaError."""
    import av

    def refuse(url: str, flags: int, options: dict[str, str]) -> Any:
        raise MediaError(f"{name} refers to another file ({url}): patchworld opens only the file it is given")

    try:
        # max_pixels also binds the decoder that libav probes the file with, before anything here can see its size.
        with av.open(
            file,
            "r",
            format=kind,
            metadata_errors="replace",
            options={"max_pixels": str(MAX_PIXELS)},
            buffer_size=1 << 16,
            io_open=refuse,
        ) as container:
            yield VideoSource(name, file, kind, container)
    except av.FFmpegError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise MediaError(f"{name} is damaged or no video: {reason}; copy or export the file again") from error


class VideoSource:
    """An open video; see `patchworld.video.source.Source`. One pass over its pictures at a time."""

    def __init__(self, name: str, file: BinaryIO, kind: str, container: "InputContainer") -> None:
        self._name, self._file, self._kind, self._container = name, file, kind, container
        self._stream = _picture_stream(name, container)
        self._tick = Fraction(self._stream.time_base or Fraction(1, 1000))  # seconds
        self._first_pass: Iterator[av.VideoFrame] | None = None
        check_picture_size(name, self._stream.codec_context.width, self._stream.codec_context.height)
        # Short ticks round a finer time (milliseconds in webm); a tick as long as a frame is exact.
        self.rounding = float(self._tick) / 2 if self._tick <= Fraction(1, 100) else 0.0

    @cached_property
    def note(self) -> Note | None:
        if self._kind != "gif":
            return note_in_tags(self._container.metadata)
        position = self._file.tell()
        notes = [unpack_note(comment) for comment in gif_comments(self._file)]
        self._file.seek(position)
        return next((note for note in notes if note), None)

    @cached_property
    def notices(self) -> list[str]:
        notices = []
        if self._container.streams.audio:
            notices.append("the sound is left out: patchworld reads pictures only")
        if self._first_frame.color_trc in _HDR_TRANSFERS:
            notices.append("it is HDR video and its colours will look flat: convert it to SDR for true colours")
        if self._first_frame.interlaced_frame:
            notices.append("it is interlaced, moving edges may look like combs: deinterlace it for clean frames")
        return notices

    @cached_property
    def info(self) -> VideoInfo:
        size = self._view.size
        num_frames, seconds, rate = self._stream.frames or None, self._declared_seconds(), self._declared_rate()
        if seconds is None or rate is None:
            num_frames, seconds, rate = self._measure()
        if self.note and abs(self.note.fps / rate - 1) < 0.02:  # a gif rounds its times, the note does not
            rate = self.note.fps
        return VideoInfo(size, rate, seconds, num_frames, has_audio=bool(self._container.streams.audio))

    def pictures(self, start: float) -> Iterator[Picture]:
        """See `Source.pictures`. Decodes from the last key frame before `start`; what lies before that is not read."""
        view, origin, frame_seconds = self._view, self._origin, 1 / self.info.fps
        last: av.VideoFrame | None = None
        last_time = -frame_seconds
        for frame in self._frames_from(start):
            clock = self._clock(frame)
            # Old files have frames without a time: those follow the one before at the average rate.
            time = last_time + frame_seconds if clock is None else float((clock - origin) * self._tick)
            if last is not None:
                yield Picture(last_time, max(last_time, time), partial(upright, last, view))
            last, last_time = frame, time
        if last is not None:
            shown_for = float(last.duration * self._tick) if last.duration else frame_seconds
            yield Picture(last_time, last_time + shown_for, partial(upright, last, view))
            self._check_end(last_time + shown_for)

    def _check_end(self, seconds: float) -> None:
        """Raise MediaError when a Matroska stream ends early: its demuxer passes over damaged clusters in silence."""
        tagged = _seconds_of(self._stream.metadata.get("DURATION", ""))
        if self._kind == "matroska" and tagged is not None and seconds < tagged - max(0.1, 3 / self.info.fps):
            raise self._damage(self._origin + round(seconds / self._tick))

    def _clock(self, frame: "av.VideoFrame") -> int | None:
        """When a frame is shown, in ticks. Files in avi have decoding times only: they count from the first as well."""
        return frame.dts if self._kind == "avi" else frame.pts

    @cached_property
    def _first_frame(self) -> "av.VideoFrame":
        self._first_pass = self._decoded()
        frame = next(self._first_pass, None)
        if frame is None:
            raise MediaError(f"{self._name} holds no picture that can be decoded: export it again as mp4 (H.264)")
        return frame

    @cached_property
    def _origin(self) -> int:
        """Time of the first frame in ticks: seconds are counted from it."""
        return self._clock(self._first_frame) or 0

    @cached_property
    def _view(self) -> View:
        return view_of(self._name, self._first_frame, self._stream.sample_aspect_ratio, self.note)

    def _frames_from(self, start: float) -> Iterator["av.VideoFrame"]:
        """Decoded frames, the first of them shown at or before `start` seconds."""
        first, first_pass = self._first_frame, self._first_pass
        self._first_pass = None
        wanted = self._origin + math.floor(start / self._tick)
        can_seek = self._kind != "gif" and self._clock(first) is not None
        # Key frames are found by decoding time, which runs ahead of display time: when the first frame found is shown
        # only after `start`, the search begins again further back, at last at the beginning. Streams that are refreshed
        # gradually have places to seek to that are no key frames: nothing decoded from there can be trusted.
        for seconds_back in (0, 2, 10) if can_seek else ():
            target = wanted - math.floor(seconds_back / self._tick)
            if target <= self._origin:
                break
            self._container.seek(target, stream=self._stream)
            first_pass = None  # the container has moved away from it
            frames = self._decoded()
            found = next(frames, None)
            clock = None if found is None else self._clock(found)
            if found is not None and found.key_frame and clock is not None and clock <= wanted:
                yield found
                yield from frames
                return
        if first_pass is None:
            self._container.seek(self._origin, stream=self._stream)
            yield from self._decoded()
        else:
            yield first
            yield from first_pass

    def _decoded(self) -> Iterator["av.VideoFrame"]:
        """Decoded frames from where the container stands. Raises MediaError at the first sign of damage."""
        import av

        decoder = _decoder(self._stream)
        watched = self._kind in ("mov", "matroska") and decoder.name in _ONE_FRAME_A_PACKET
        waiting: set[int] = set()  # display times of packets whose frame has not come out yet
        begun = False
        for packet in self._container.demux(self._stream):
            if packet.is_corrupt:
                raise self._damage(packet.pts)
            if watched and packet.size and packet.pts is not None and not packet.is_discard:
                waiting.add(packet.pts)
            try:
                decoded = decoder.decode(packet)
            except av.FFmpegError as error:
                yield from (frame for frame in decoder.decode(None) if packet.pts and (frame.pts or 0) < packet.pts)
                raise self._damage(packet.pts) from error
            for frame in decoded:
                if not begun and frame.pts is not None:
                    # Frames shown before a key frame may lean on what was not read: decoders leave them out.
                    waiting = {pts for pts in waiting if pts >= frame.pts}
                    begun = True
                lost = [pts for pts in waiting if frame.pts is not None and pts < frame.pts]
                if lost or frame.is_corrupt:
                    raise self._damage(min(lost) if lost else frame.pts)
                waiting.discard(frame.pts)
                yield frame
        if waiting and begun:
            raise self._damage(min(waiting))

    def _damage(self, pts: int | None) -> MediaError:
        seconds = float(((pts or 0) - (self._stream.start_time or 0)) * self._tick)
        return MediaError(
            f"{self._name} is damaged at {max(0.0, seconds):.2f} s: a frame cannot be decoded; "
            "copy or export the file again, or read only the part before it"
        )

    def _declared_rate(self) -> float | None:
        """Frames a second by the headers, or None where they are no help."""
        rate = float(self._stream.average_rate or 0)
        # A gif has no rate, only delays. 1000 a second is what libav says of live recordings: it does not know.
        return _clamped_rate(rate) if 0 < rate < 1000 and self._kind != "gif" else None

    def _declared_seconds(self) -> float | None:
        if self._stream.duration:
            return float(self._stream.duration * self._tick)
        whole_file = self._container.duration / 1e6 if self._container.duration else None
        return _seconds_of(self._stream.metadata.get("DURATION", "")) or whole_file

    def _measure(self) -> tuple[int, float, float]:
        """Frames, seconds and frames a second of a file that does not declare them: counted without decoding."""
        self._container.seek(self._origin, stream=self._stream)
        self._first_pass = None
        demuxed = self._container.demux(self._stream)
        packets = sorted((p.pts, p.duration or 0) for p in demuxed if p.size and p.pts is not None)
        if not packets:
            return 1, 1.0, 1.0
        (first, _), (last, shown_for), count = packets[0], packets[-1], len(packets)
        ticks = last - first + (shown_for or (last - first) / max(1, count - 1))
        seconds = float(ticks * self._tick) or 1.0
        return count, seconds, _clamped_rate(count / seconds)


def _picture_stream(name: str, container: "InputContainer") -> "VideoStream":
    """The video stream to read: the best one that is not the cover picture of a song."""
    from av.stream import Disposition

    best = container.streams.best("video")
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"{name} holds no video, only sound or a cover picture: give a file with moving pictures")
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    if stream.codec_context is None:
        raise MediaError(f"{name} is coded in a way that this FFmpeg cannot decode: convert it to mp4 (H.264)")
    return stream


def _decoder(stream: "VideoStream") -> "VideoCodecContext":
    """The decoder for `stream`, bound by the size limit. One thread: many videos are read at once, not many frames."""
    import av

    decoder = stream.codec_context
    has_alpha = stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1"
    if has_alpha and decoder.name in _ALPHA_DECODERS:
        extradata = decoder.extradata
        decoder = cast("VideoCodecContext", av.CodecContext.create(_ALPHA_DECODERS[decoder.name], "r"))
        decoder.extradata = extradata
    if not decoder.is_open:
        decoder.options = {"max_pixels": str(MAX_PIXELS)}
        decoder.thread_count = 1
    return decoder


def _clamped_rate(rate: float) -> float:
    """`rate` within what a clip may have: a picture a minute reads as one every ten seconds."""
    return min(max(rate, 0.1), 1000.0)


def _seconds_of(tag: str) -> float | None:
    """Seconds of a Matroska DURATION tag, 00:01:02.345000000, or None when it is none."""
    try:
        hours, minutes, seconds = (float(part) for part in tag.split(":"))
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds
