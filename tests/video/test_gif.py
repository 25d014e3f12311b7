import io

import numpy as np
import pytest
from PIL import Image
from video.making import scene

from patchworld.video import Clip, probe, read
from patchworld.video.gif import GifPalette, append_comment


def test_few_colours_come_back_exactly(tmp_path):
    frames = np.zeros((6, 32, 48, 3), np.uint8)
    frames[:] = (40, 90, 160)
    for number in range(6):
        frames[number, 10:16, 4 * number : 4 * number + 6] = (250, 10, 10)
    assert np.array_equal(read(Clip(frames, 20).save(tmp_path / "out.gif")).frames, frames)


def test_a_small_thing_of_a_new_colour_keeps_it(tmp_path):
    frames = np.repeat(scene(1, 64, 48), 4, axis=0) // 4  # dark
    frames[2:, 20:23, 20:23] = (255, 255, 0)
    back = read(Clip(frames, 20).save(tmp_path / "out.gif"))
    assert back.frames[3, 21, 21].tolist() == pytest.approx([255, 255, 0], abs=24)


def test_the_palette_stays_while_it_serves_and_what_stands_still_does_not_shimmer():
    frames = np.repeat(scene(1, 64, 48), 5, axis=0)
    frames[4] = frames[4][:, :, ::-1] // 2 + 120  # a cut
    palette = GifPalette()
    indexed = [palette.indexed(frame) for frame in frames]
    for indices, colours in indexed[1:4]:
        assert np.array_equal(indices, indexed[0][0])
        assert np.array_equal(colours, indexed[0][1])
    assert not np.array_equal(indexed[4][1], indexed[0][1])
    assert indexed[0][1][255].tolist() == [0, 0, 0, 0]  # kept for "as before"


def test_a_gif_repeats_for_ever_and_keeps_a_rate_that_hundredths_cannot_hold(tmp_path):
    path = Clip(scene(7), 24).save(tmp_path / "out.gif")
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert image.n_frames == 7
    assert probe(path).fps == 24.0
    assert read(path, start=0.125).num_frames == 4


def test_a_comment_of_any_length_is_put_before_the_trailer():
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "GIF")
    append_comment(file, b"x" * 1000)
    file.seek(0)
    with Image.open(file) as image:
        image.load()
        assert image.size == (8, 8)
    assert file.getvalue().endswith(b"\x00\x3b")
