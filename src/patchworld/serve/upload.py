"""What strangers send, decoded in a process of its own that can do little harm and not for long.

Decoders are large programs in C, and a small file can describe hours of video. So a child without the server's
environment, with limits on memory, processor time, file size and open files, turns an upload into a lossless file that
we wrote ourselves. Nothing else ever reads the bytes of an upload.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from patchworld.errors import MediaError

MEMORY = 2 * 2**30  # bytes of address space
OPEN_FILES = 64
LARGEST_OUTPUT = 2 * 2**30  # bytes


def decode(upload: Path, out: Path, *, frames: int, pixels: int, seconds: float) -> None:
    """Turn an upload into the lossless video `out` (.mkv) of at most `frames` frames of at most `pixels` pixels.

    Larger pictures are made smaller in their shape. seconds: how long it may take. Raises MediaError when it is no
    video or image, too long, damaged, or more than the limits allow.
    """
    command = [sys.executable, "-I", __file__, json.dumps(sys.path), str(upload), str(out), str(frames), str(pixels)]
    child = subprocess.Popen(
        [*command, str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # threads of a library take address space
        cwd=out.parent,
        start_new_session=True,
    )
    try:
        answer, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise MediaError(f"decoding the upload took more than {seconds:g} s: send a shorter or smaller one") from None
    if child.returncode != 0:
        out.unlink(missing_ok=True)
        told = answer.decode(errors="replace").strip()
        raise MediaError(told or "the upload could not be decoded: it is damaged or too large; export it again")


def _limit(seconds: float) -> None:
    try:
        import resource
    except ImportError:  # not on Windows: there the time limit alone holds
        return
    for what, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, LARGEST_OUTPUT),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (value if hard < 0 else min(value, hard),) * 2)


def _decode(upload: str, out: str, most_frames: int, most_pixels: int) -> None:
    from patchworld.video import Writer, frames, probe
    from patchworld.video.resize import resize_frame

    info = probe(upload)
    too_long = f"the upload has more than {most_frames} frames, the most that this server takes: send a shorter one"
    if (info.num_frames or 0) > most_frames:
        raise MediaError(too_long)
    width, height = info.size
    scale = min(1.0, (most_pixels / (width * height)) ** 0.5)
    size = max(8, int(width * scale)), max(8, int(height * scale))
    writer: Any = Writer(out, size, info.fps)
    with writer:
        for number, frame in enumerate(frames(upload)):
            if number >= most_frames:
                raise MediaError(too_long)
            writer.add(resize_frame(frame, size))


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    upload_path = sys.argv[2]
    _limit(float(sys.argv[6]))
    from patchworld import errors

    try:
        _decode(upload_path, sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    except errors.InputError as error:
        print(str(error).replace(upload_path, "the upload"))
        sys.exit(2)
