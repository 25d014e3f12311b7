import re
from pathlib import Path

import pytest
from tiny import moving_square

from patchworld.video import psnr, read, ssim


def test_reconstruct_measures_the_loss_and_keeps_size_rate_and_frames(model, run):
    moving_square(7, (50, 34), 6).save("in.mp4")
    status, out, _ = run("reconstruct", "in.mp4", "-o", "out.mp4", "--model", model)
    clip = read("out.mp4")
    assert status == 0
    assert re.fullmatch(r"out.mp4: PSNR [\d.]+ dB, SSIM -?[\d.]+, \d+ times fewer numbers\n", out)
    assert (clip.frames.shape, clip.fps) == ((7, 34, 50, 3), 6)


def test_reconstruct_goes_piece_by_piece_and_measures_all_of_it(model, run, monkeypatch):
    monkeypatch.setattr("patchworld.vae.clips.PIXELS_AT_ONCE", 4 * 56 * 40)  # four frames at a time
    source = read(moving_square(15, (50, 34), 6).save("in.mkv"))
    status, out, _ = run("reconstruct", "in.mkv", "-o", "out.mkv", "--model", model)  # lossless: what was measured
    rebuilt = read("out.mkv")
    assert (status, rebuilt.frames.shape) == (0, source.frames.shape)
    assert f"PSNR {psnr(source, rebuilt):.2f} dB, SSIM {ssim(source, rebuilt):.4f}" in out


def test_reconstruct_takes_images_and_parts_of_videos(model, run):
    moving_square(1, (24, 16)).save("in.png")
    moving_square(16, (16, 16), 8).save("in.mp4")
    assert run("reconstruct", "in.png", "-o", "out.png", "--model", model)[0] == 0
    assert run("reconstruct", "in.mp4", "-o", "out.mp4", "--model", model, "--from", 0.5, "--to", 1)[0] == 0
    assert read("out.png").frames.shape == (1, 16, 24, 3)
    assert read("out.mp4").num_frames == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.mp4",), "missing.mp4 does not exist: give the path"),
        (("text.mp4",), "text.mp4 is no video or image, whatever its name says: give an mp4"),
        (("empty.mp4",), "empty.mp4 is empty"),
        (("cut.mp4",), "cut.mp4 is cut off or damaged"),
        (("folder",), "folder is not a regular file"),
        (("in.mp4", "-o", "out.png"), "out.png is an image of one frame, not 9"),
        (("in.mp4", "-o", "out.txt"), "out.txt names no format"),
        (("in.mp4", "--from", "9"), "in.mp4 has nothing to show at start=9 s"),
        (("in.mp4", "--from", "nan"), "start=nan is out of range"),
        (("in.mp4", "--to", "-1"), "end=-1.0 is out of range"),
        (("in.mp4", "--model", "missing"), "missing holds no model.json"),
    ],
)
def test_reconstruct_refuses_what_it_cannot_read_or_write(words, message, model, refused):
    path = moving_square(9).save("in.mp4")
    Path("cut.mp4").write_bytes(path.read_bytes()[:900])
    Path("text.mp4").write_text("hello")
    Path("empty.mp4").touch()
    Path("folder").mkdir()
    assert re.search(message, refused("reconstruct", "-o", "out.mp4", "--model", model, *words))
