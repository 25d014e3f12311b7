import numpy as np
import pytest
from video.making import corners, scene

from patchworld.errors import InputError
from patchworld.video import Clip, fit, psnr, read, resize, retime


def test_resize_gives_exactly_the_size_and_keeps_rate_and_frames():
    clip = resize(Clip(scene(3, 48, 32), 12, {"seed": 1}), (20, 30))
    assert (clip.size, clip.num_frames, clip.fps, clip.recipe) == ((20, 30), 3, 12.0, None)


def test_fine_stripes_become_grey_instead_of_flickering():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    small = resize(Clip(stripes, 1), (16, 16)).frames[0, 4:-4, 4:-4]
    assert abs(small.astype(int) - 127).max() <= 3


def test_up_and_down_again_is_nearly_the_same():
    clip = Clip(scene(2, 48, 32), 12)
    assert psnr(clip, resize(resize(clip, (96, 64)), (48, 32))) > 45
    assert np.array_equal(resize(clip, (48, 32)).frames, clip.frames)


def test_padding_keeps_everything_in_the_middle_on_black():
    frame = fit(Clip(corners(48, 32)[None], 1), (48, 48), "pad").frames[0]
    assert np.array_equal(frame[8:40], corners(48, 32))
    assert not frame[:8].any()
    assert not frame[40:].any()


def test_cropping_takes_the_middle_without_stretching():
    wide = np.zeros((1, 32, 64, 3), np.uint8)
    wide[:, :, 16:48] = 200  # the middle square
    assert fit(Clip(wide, 1), (32, 32), "crop").frames.min() >= 190
    circle = np.hypot(*np.mgrid[-32:32, -48:48]) < 20
    picture = np.repeat(circle[None, :, :, None], 3, axis=3).astype(np.uint8) * 255
    round_again = fit(Clip(picture, 1), (40, 40), "crop").frames[0, :, :, 0] > 127
    assert abs(int(round_again.any(axis=0).sum()) - int(round_again.any(axis=1).sum())) <= 1


@pytest.mark.parametrize("how", ["crop", "pad"])
@pytest.mark.parametrize("size", [(7, 100), (100, 7), (1, 1), (33, 31)])
def test_any_size_can_be_fitted(how, size):
    assert fit(Clip(scene(1, 48, 32), 1), size, how).size == size


def test_wrong_sizes_and_ways_are_refused():
    clip = Clip(scene(1), 1)
    for size in [(0, 8), (8, -1), (9000, 9000)]:
        with pytest.raises(InputError, match="out of range"):
            resize(clip, size)
    with pytest.raises(InputError, match="'crop' or 'pad'"):
        fit(clip, (8, 8), "stretch")


@pytest.mark.parametrize("fps", [4.0, 8.0, 12.5, 30.0])
def test_another_rate_shows_the_frames_that_reading_at_that_rate_gives(fps, tmp_path):
    clip = Clip(np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((9, 8, 8, 3), np.uint8) * 20, 8.0)
    at_rate = retime(clip, fps)
    asked = read(clip.save(tmp_path / "a.mkv"), fps=fps)
    assert at_rate.fps == fps
    assert np.array_equal(at_rate.frames, asked.frames)


def test_a_fitted_clip_remembers_how_it_came_to_be(tmp_path):
    path = Clip(scene(3), 8.0).save(tmp_path / "a.mkv")
    assert fit(read(path, start=0.1), (8, 8), "pad").source == {
        "path": str(path),
        "start": 0.1,
        "size": [8, 8],
        "fit": "pad",
    }
