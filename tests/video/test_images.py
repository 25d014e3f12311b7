import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from tiny import moving_square
from video.making import brightness, corners, greys

from patchworld.errors import MediaError
from patchworld.video import probe, psnr, read
from patchworld.video.images import webp


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
def test_an_image_is_a_clip_of_one_frame_at_any_rate(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(corners()).save(path, quality=100)
    for options in ({}, {"fps": 24}, {"fps": 0.5}, {"max_frames": 5}):
        clip = read(path, **options)
        assert clip.is_image
        assert clip.size == probe(path).size == (48, 32)
        assert psnr(clip.frames, corners()[None]) > 20
    assert read(path, fps=24).fps == 24


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_upright_however_the_camera_was_held(tmp_path, orientation):
    scene = corners()
    # EXIF names the side of the scene at which row 0 and column 0 of the stored picture lie.
    held = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.transpose(1, 0, 2),
        6: np.rot90(scene, 1),
        7: np.rot90(scene, 2).transpose(1, 0, 2),
        8: np.rot90(scene, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(np.ascontiguousarray(held)).save(path, exif=exif)
    assert np.array_equal(read(path).frames[0], scene)
    assert probe(path).size == (48, 32)


def test_transparency_is_flattened_onto_white(tmp_path):
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = (200, 0, 0, 255)
    rgba[:, 4:6] = (200, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    frame = read(tmp_path / "rgba.png").frames[0]
    assert frame[0, [0, 4, 7]].tolist() == [[200, 0, 0], [227, 127, 127], [255, 255, 255]]
    image = Image.fromarray(rgba)
    for name, kind in [("palette.png", image.quantize(8)), ("grey.png", image.convert("LA")), ("still.gif", image)]:
        kind.save(tmp_path / name)
        assert read(tmp_path / name).frames[0, 0, 7].tolist() == [255, 255, 255]


def test_sixteen_bits_a_pixel_become_eight(tmp_path):
    Image.fromarray(np.array([[0, 256 * 100, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read(tmp_path / "deep.png").frames[0, 0].tolist() == [[0] * 3, [100] * 3, [255] * 3]


def test_printer_colours_become_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert read(tmp_path / "print.jpg").frames[0, 4, 4].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_an_animation_is_a_video_with_its_own_times(tmp_path, suffix):
    pictures = [Image.fromarray(frame) for frame in greys([40, 120, 200])]
    path = tmp_path / f"animated{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 300, 100], lossless=True)
    assert probe(path).num_frames == 3
    assert probe(path).duration == pytest.approx(0.5)
    assert brightness(read(path, fps=10)) == pytest.approx([40, 120, 120, 120, 200], abs=1)
    assert brightness(read(path, fps=10, start=0.3)) == pytest.approx([120, 200], abs=1)


def test_a_gif_that_names_no_delay_plays_as_in_browsers(tmp_path):
    pictures = [Image.fromarray(frame) for frame in greys([40, 120, 200])]
    pictures[0].save(tmp_path / "fast.gif", save_all=True, append_images=pictures[1:], duration=0)
    assert read(tmp_path / "fast.gif").duration == pytest.approx(0.3)


def test_one_flipped_bit_of_a_png_is_found_by_its_checksum(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for at in range(40, len(whole) - 20, 97):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        (tmp_path / "a.png").write_bytes(damaged)
        with pytest.raises(MediaError, match=r"a\.png is"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("side", [4097, 9600, 30000])
def test_an_image_bomb_is_refused_by_its_header(tmp_path, side):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    with pytest.raises(MediaError, match="scale it down"):
        read(tmp_path / "bomb.png")


def test_a_file_that_only_begins_like_an_image_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    with pytest.raises(MediaError, match=r"^\S+a\.jpg is no image that can be read: give an mp4"):
        read(tmp_path / "a.jpg")


def test_a_frame_is_sent_as_webp():
    frame = moving_square(1).frames[0]
    assert abs(np.asarray(Image.open(io.BytesIO(webp(frame)))).astype(int) - frame).mean() < 3
