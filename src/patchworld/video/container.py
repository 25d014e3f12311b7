"""What a file is, by its own bytes, and whether all of it is there: checked before any decoder sees it.

A decoder that is handed a name may follow it to a playlist, a network address or a pipe. Here a file is opened once,
must be a regular file, and must begin like one of a few formats; what is decoded later is that same open file.
"""

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from patchworld.errors import MediaError

READABLE = "mp4, mov, webm, mkv, avi, gif, png, jpg, webp or bmp"

# The boxes at the top of ISO media files, and those of them that come first in practice. A small one begins with a zero
# byte, the top of its size, which tells it from text with the word "free" in the same place.
_MP4_BOXES = b"ftyp moov mdat free skip wide pnot moof mfra uuid meta sidx styp udta emsg pdin".split()
_MP4_FIRST_BOXES, _MP4_SMALL_BOXES = (b"ftyp", b"moov", b"mdat"), (b"free", b"skip", b"wide", b"pnot")
_MATROSKA_ID = bytes.fromhex("1a45dfa3")
_SEGMENT, _CLUSTER, _CRC32 = bytes.fromhex("18538067"), bytes.fromhex("1f43b675"), bytes.fromhex("bf84")
_MOST_BOXES = 1_000_000  # a longer walk is a trick, not a video


def open_media(path: str | Path, *, whole: bool) -> tuple[BinaryIO, str]:
    """Open `path` for reading and say what it holds: "mov", "matroska", "avi", "gif" or "image".

    The names are those of FFmpeg's demuxers; images are read by Pillow. whole: all of the file will be read, so that
    reading it here to compare checksums is worth it. Raises MediaError when `path` is no regular file, is empty, is in
    no format that patchworld reads, is damaged, or ends before its own headers say it does.
    """
    name = one_line(path)
    file = _open_regular(path, name)
    try:
        kind = _kind(name, file)
        check_whole(name, file, kind)
        if whole and kind == "matroska":
            check_checksums(name, file)
        file.seek(0)
        return file, kind
    except OSError as error:
        file.close()
        raise MediaError(f"{name} cannot be read: {error.strerror or error}; check the disk and try again") from error
    except BaseException:
        file.close()
        raise


def one_line(path: str | Path) -> str:
    """The name of a file as messages show it: a name with line breaks or control characters is quoted and escaped."""
    name = str(path)
    return name if name and name.isprintable() else repr(name)


def _open_regular(path: str | Path, name: str) -> BinaryIO:
    """`path` opened for reading, or MediaError. Never waits, as a plain open of a pipe without a writer would."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise MediaError(f"{name} does not exist: give the path of a file on this machine") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{name} cannot be opened: {reason}; give a file that may be read") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError(f"{name} is not a regular file: give an {READABLE} file, not a folder, pipe or device")
    return os.fdopen(descriptor, "rb")


def _kind(name: str, file: BinaryIO) -> str:
    head = file.read(64)
    if not head:
        raise MediaError(f"{name} is empty: give an {READABLE} file")
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif"):
        raise MediaError(f"{name} is a HEIC or AVIF image, which patchworld does not read: convert it to jpg or png")
    if head[4:8] in _MP4_FIRST_BOXES or (head[4:8] in _MP4_SMALL_BOXES and head[0] == 0):
        return "mov"
    if head.startswith(_MATROSKA_ID):
        return "matroska"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    if is_webp or head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")):
        return "image"
    raise MediaError(f"{name} is no video or image, whatever its name says: give an {READABLE} file")


def check_whole(name: str, file: BinaryIO, kind: str) -> None:
    """Raise MediaError when the file is shorter than its own headers say: a copy or a recording that was cut off.

    Decoders play such files to the point where they break and report nothing. Images are left to Pillow, which does.
    """
    size = os.fstat(file.fileno()).st_size
    if kind == "mov":
        missing = _mp4_missing(file, size)
    elif kind == "matroska":
        missing = _matroska_missing(file, size)
    elif kind == "avi":
        missing = _avi_missing(file, size)
    elif kind == "gif":
        missing = None if _gif_is_whole(file) else "its end"
    else:
        missing = None
    if missing:
        raise MediaError(f"{name} is cut off or damaged, it lacks {missing}: copy or export the file again")


def _mp4_missing(file: BinaryIO, size: int) -> str | None:
    """Walk the boxes at the top level: each is a 4-byte size, 4 letters, content (ISO/IEC 14496-12, 4.2)."""
    seen = set()
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            break
        file.seek(at)
        header = file.read(16)
        kind, length = header[4:8], int.from_bytes(header[:4])
        if length == 1:
            length = int.from_bytes(header[8:16])
        if length == 0:  # the last box, open to the end
            length = size - at
        if length < 8 or (kind not in _MP4_BOXES and at + length > size):
            break  # something else was appended to the file: not judged, as long as the video is there
        if at + length > size:
            return f"{at + length - size} of {at + length} bytes"
        seen.add(kind)
        at += length
    return None if b"moov" in seen else "the index (moov)"


def _matroska_missing(file: BinaryIO, size: int) -> str | None:
    """Compare the size of the Segment, which holds everything, with the file."""
    for element, start, end in _elements(file, 0, size):
        if element == _SEGMENT:
            return None if end is None or end <= size else f"{end - size} of {end} bytes"
        if start > size:
            break
    return "the Segment element"


def check_checksums(name: str, file: BinaryIO) -> None:
    """Raise MediaError when a cluster of a Matroska file fails its CRC-32, where it has one: FFmpeg's mkv has.

    Reads the whole file, so it is for reading all of it. Lossless video needs it: its decoders notice no damage at all.
    """
    size = os.fstat(file.fileno()).st_size
    segment = next((start for element, start, _ in _elements(file, 0, size) if element == _SEGMENT), size)
    for element, start, end in _elements(file, segment, size):
        if element != _CLUSTER or end is None:
            continue
        file.seek(start)
        head = file.read(6)
        if head.startswith(_CRC32) and _crc32(file, end - start - 6) != int.from_bytes(head[2:], "little"):
            raise MediaError(f"{name} is damaged: a checksum does not fit its content; copy or export the file again")


def _crc32(file: BinaryIO, count: int) -> int:
    checksum = 0
    while count > 0 and (data := file.read(min(count, 1 << 20))):
        checksum = zlib.crc32(data, checksum)
        count -= len(data)
    return checksum


def _elements(file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int, int | None]]:
    """The EBML elements from `at` on: id, start of the content, its end or None when unknown (RFC 8794, 4 to 6)."""
    for _ in range(_MOST_BOXES):
        file.seek(at)
        header = file.read(12)
        if len(header) < 2:
            return
        id_length = _varint_length(header[0])
        size_length = _varint_length(header[id_length]) if id_length <= 4 and id_length < len(header) else 9
        if size_length > 8 or id_length + size_length > len(header):
            return
        all_ones = (1 << 7 * size_length) - 1
        length = int.from_bytes(header[id_length : id_length + size_length]) & all_ones
        start = at + id_length + size_length
        unknown = length == all_ones  # written live
        yield header[:id_length], start, None if unknown else start + length
        if unknown or start + length > size:
            return
        at = start + length


def _varint_length(first: int) -> int:
    """Bytes of an EBML varint, from its first byte: one more than its leading zero bits (9 when it has none)."""
    return 9 - first.bit_length()


def _avi_missing(file: BinaryIO, size: int) -> str | None:
    file.seek(4)
    declared = 8 + int.from_bytes(file.read(4), "little")
    return f"{declared - size} of {declared} bytes" if declared > size + 1 else None


def _gif_is_whole(file: BinaryIO) -> bool:
    try:
        for _ in gif_comments(file):
            pass
    except EOFError:
        return False
    return True


def gif_comments(file: BinaryIO) -> Iterator[bytes]:
    """The comment extensions of an open GIF file, in order. Raises EOFError when it ends before its trailer.

    Walks the blocks (GIF89a, sections 15 to 27) without decoding. A byte that begins no block is an early end too.
    """
    file.seek(6)
    _skip_gif_palette(file, flags=_exactly(file, 7)[4])
    while True:
        introducer = _exactly(file, 1)[0]
        if introducer == 0x2C:  # an image: place and size, perhaps a palette, LZW code size, data
            _skip_gif_palette(file, flags=_exactly(file, 9)[8])
            _exactly(file, 1)
            for _ in _gif_blocks(file):
                pass
        elif introducer == 0x21:  # an extension
            is_comment = _exactly(file, 1)[0] == 0xFE
            blocks = _gif_blocks(file)
            if is_comment:
                yield b"".join(blocks)
            for _ in blocks:
                pass
        elif introducer == 0x3B:
            return
        elif introducer != 0:  # some encoders put a zero between blocks
            raise EOFError


def _skip_gif_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        _exactly(file, 3 * 2 ** ((flags & 7) + 1))


def _gif_blocks(file: BinaryIO) -> Iterator[bytes]:
    while length := _exactly(file, 1)[0]:
        yield _exactly(file, length)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data
