"""What a file is, by its own bytes, and whether all of it is there: checked before any decoder sees it.

A decoder that is handed a name may follow it to a playlist, a network address or a pipe. Here a file is opened once,
must be a regular file, and must begin like one of a few formats; what is decoded later is that same open file.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from patchworld.errors import MediaError

READABLE = "mp4, mov, webm, mkv, avi, gif, png, jpg, webp or bmp"

# ISO media files begin with a box; these are the boxes that come first in practice.
_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_MATROSKA_ID = bytes.fromhex("1a45dfa3")
_SEGMENT_ID = bytes.fromhex("18538067")
_MOST_BOXES = 1_000_000  # a longer walk is a trick, not a video


def open_media(path: str | Path) -> tuple[BinaryIO, str]:
    """Open `path` for reading and say what it holds: "mov", "matroska", "avi", "gif" or "image".

    The names are those of FFmpeg's demuxers; images are read by Pillow. Raises MediaError when `path` is no regular
    file, is empty, is none of the formats that patchworld reads, or ends before its own headers say it does.
    """
    file = _open_regular(path)
    try:
        kind = _kind(path, file)
        check_whole(path, file, kind)
        file.seek(0)
        return file, kind
    except OSError as error:
        file.close()
        raise MediaError(f"{path} cannot be read: {error.strerror or error}; check the disk and try again") from error
    except BaseException:
        file.close()
        raise


def _open_regular(path: str | Path) -> BinaryIO:
    """`path` opened for reading, or MediaError. Never waits: a named pipe without a writer would block a plain open."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise MediaError(f"{path} does not exist: give the path of a file on this machine") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{str(path)!r} cannot be opened: {reason}; give a file that may be read") from error
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise MediaError(f"{path} is not a regular file: give a {READABLE} file, not a folder, pipe or device")
    return file


def _kind(path: str | Path, file: BinaryIO) -> str:
    head = file.read(64)
    if not head:
        raise MediaError(f"{path} is empty: give a {READABLE} file")
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif"):
        raise MediaError(f"{path} is a HEIC or AVIF image, which patchworld does not read: convert it to jpg or png")
    if head[4:8] in _MP4_FIRST_BOXES:
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
    raise MediaError(f"{path} is not a video or image, whatever its name: its content is not {READABLE}")


def check_whole(path: str | Path, file: BinaryIO, kind: str) -> None:
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
        missing = None if _gif_is_whole(file) else "its closing byte"
    else:
        missing = None
    if missing:
        raise MediaError(f"{path} is cut off or damaged: {missing} is missing; copy or export the file again")


def _mp4_missing(file: BinaryIO, size: int) -> str | None:
    """Walk the boxes at the top level: each is a 4-byte size, 4 letters, content (ISO/IEC 14496-12, 4.2)."""
    seen = set()
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            break
        file.seek(at)
        header = file.read(16)
        name, box = header[4:8], int.from_bytes(header[:4])
        if box == 1:
            box = int.from_bytes(header[8:16])
        if box == 0:  # the last box, open to the end
            box = size - at
        if box < 8 or not all(32 <= byte < 127 or byte == 0xA9 for byte in name):
            break  # something was appended to the file: not ours to judge, as long as the video is there
        if at + box > size:
            return f"{at + box - size} of {at + box} bytes" if name != b"free" else None
        seen.add(name)
        at += box
    return None if b"moov" in seen else "the index (moov)"


def _matroska_missing(file: BinaryIO, size: int) -> str | None:
    """Compare the size of the Segment, which holds everything, with the file (RFC 8794: ids and sizes are varints)."""
    at = 0
    for _ in range(16):
        file.seek(at)
        header = file.read(12)
        if len(header) < 12:
            return "everything after the header"
        id_length = _varint_length(header[0])
        size_length = _varint_length(header[id_length]) if id_length < 5 else 9
        if size_length > 8:
            return "a readable header"
        value = int.from_bytes(header[id_length : id_length + size_length]) & ((1 << 7 * size_length) - 1)
        content = at + id_length + size_length
        if header[:id_length] == _SEGMENT_ID:
            if value == (1 << 7 * size_length) - 1:  # all ones: written live, the size was never known
                return None
            return f"{content + value - size} of {content + value} bytes" if content + value > size else None
        at = content + value
    return "the Segment element"


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

    Walks the blocks (GIF89a, sections 15 to 27) without decoding; wherever a block begins with a byte that no
    block begins with, the walk ends, as browsers do.
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
        else:
            return


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
