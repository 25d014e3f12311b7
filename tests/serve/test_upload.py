import os
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny import moving_square

from patchworld.errors import MediaError
from patchworld.serve.upload import decode
from patchworld.video import read

ENOUGH = {"frames": 64, "pixels": 32 * 32, "seconds": 60.0}


def test_an_upload_becomes_a_lossless_video_and_large_ones_become_smaller(tmp_path):
    out = tmp_path / "out.mkv"
    clip = moving_square(5, (32, 32))
    decode(clip.save(tmp_path / "a.mkv"), out, **ENOUGH)
    assert np.array_equal(read(out).frames, clip.frames)
    decode(moving_square(3, (96, 48)).save(tmp_path / "wide.mp4"), out, **ENOUGH)
    assert read(out).size == (45, 22)
    decode(moving_square(1, (20, 20)).save(tmp_path / "one.png"), out, **ENOUGH)
    assert read(out).is_image


def test_what_is_no_video_or_too_much_is_refused_without_a_path(tmp_path):
    out, upload = tmp_path / "out.mkv", tmp_path / "upload"
    whole = moving_square(40, (32, 32)).save(tmp_path / "a.mp4").read_bytes()
    for content in (b"", b"x" * 1000, b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", whole[: len(whole) // 2]):
        upload.write_bytes(content)
        with pytest.raises(MediaError) as caught:
            decode(upload, out, **ENOUGH)
        assert str(tmp_path) not in str(caught.value)
        assert not out.exists()
    upload.write_bytes(whole)
    with pytest.raises(MediaError, match="more than 9 frames"):
        decode(upload, out, **{**ENOUGH, "frames": 9})


def test_decoding_that_takes_too_long_is_ended(tmp_path):
    upload = tmp_path / "upload.mp4"
    moving_square(5).save(upload)
    started = time.monotonic()
    with pytest.raises(MediaError, match=r"took more than 0\.05 s"):
        decode(upload, tmp_path / "out.mkv", **{**ENOUGH, "seconds": 0.05})
    assert time.monotonic() - started < 20


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no limits of processes on this system")
def test_the_decoder_has_a_limit_of_memory():
    code = "from patchworld.serve.upload import _limit; _limit(9); b'x' * (3 * 2**30)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MemoryError" in child.stderr
