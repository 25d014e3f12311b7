import os
import struct

import numpy as np
import pytest
from video.making import scene

from patchworld.errors import MediaError
from patchworld.video import Clip, read

CLIP = Clip(scene(12), 12)


def refusal(path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(MediaError) as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_status == 2
    return line


def test_a_text_file_named_mp4_is_refused_in_one_line(tmp_path):
    path = tmp_path / "story.mp4"
    path.write_text("Once upon a time\n" * 50)
    line = refusal(path)
    assert str(path) in line
    assert "no video or image" in line
    assert "give an mp4" in line


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        b"The free software is here\n" * 9,
        bytes(5000),
    ],
)
def test_playlists_and_scripts_never_reach_the_decoder(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    assert "no video or image" in refusal(path)


def test_an_empty_file_a_missing_one_a_folder_and_a_pipe_are_told_apart(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refusal(tmp_path / "empty.mp4")
    assert "does not exist" in refusal(tmp_path / "none.mp4")
    assert "does not exist" in refusal("https://example.org/video.mp4")
    assert "not a regular file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in refusal(tmp_path / "pipe.mp4")  # and does not wait for a writer


def test_a_name_with_line_breaks_stays_one_line(tmp_path):
    path = tmp_path / "two\nlines\x1b[31m.mp4"
    path.write_text("text")
    assert "two\\nlines\\x1b" in refusal(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".mkv", ".gif", ".png", ".jpg", ".webp"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, suffix):
    clip = CLIP if suffix in (".mp4", ".mov", ".webm", ".mkv", ".gif") else CLIP.seconds(0, 0.05)
    whole = clip.save(tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        path.write_bytes(whole[: int(len(whole) * share)])
        refusal(path)


def test_a_download_cut_off_says_how_much_is_lacking(tmp_path):
    whole = CLIP.save(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:-100])
    assert f"lacks 100 of {len(whole)} bytes" in refusal(tmp_path / "cut.mp4")


def test_bytes_appended_to_a_video_do_no_harm(tmp_path):
    whole = CLIP.save(tmp_path / "whole.mp4").read_bytes()
    for tail in (b"PK\x03\x04" + bytes(40), b"written by a phone, whose maker adds notes", bytes(64)):
        (tmp_path / "tail.mp4").write_bytes(whole + tail)
        assert read(tmp_path / "tail.mp4").num_frames == 12


def test_the_name_does_not_matter_the_content_does(tmp_path):
    CLIP.save(tmp_path / "video.webm").rename(tmp_path / "video.mp4")
    assert read(tmp_path / "video.mp4").num_frames == 12


def test_a_photo_from_a_phone_in_heic_is_named_as_such(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"heic", 0) + bytes(100))
    assert "HEIC" in refusal(tmp_path / "photo.jpg")


def test_one_flipped_bit_of_lossless_video_is_found_by_its_checksum(tmp_path):
    whole = CLIP.save(tmp_path / "whole.mkv").read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(len(whole) // 4, len(whole) - 200, 20):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "damaged.mkv").write_bytes(damaged)
        refusal(tmp_path / "damaged.mkv")
