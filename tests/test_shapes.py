import pytest

from patchworld.errors import InputError
from patchworld.shapes import Grid, Shape, check_fps, pixel_shape

AUTOENCODER, PATCH = Grid(4, 8), Grid(1, 2)


def test_seventeen_frames_of_64_pixels_are_80_tokens():
    assert Shape(17, 64, 64).divided(AUTOENCODER) == Shape(5, 8, 8)
    assert Shape(17, 64, 64).divided(AUTOENCODER * PATCH) == Shape(5, 4, 4)
    assert Shape(5, 4, 4).volume == 80


def test_an_image_is_a_video_of_one_frame():
    assert Shape(1, 64, 64).divided(AUTOENCODER) == Shape(1, 8, 8)


@pytest.mark.parametrize("shape", [Shape(1, 8, 8), Shape(2, 9, 15), Shape(16, 57, 101), Shape(18, 64, 65)])
def test_padding_is_the_smallest_shape_on_the_grid(shape):
    padded = shape.padded(AUTOENCODER)
    assert padded == padded.padded(AUTOENCODER) == padded.divided(AUTOENCODER).multiplied(AUTOENCODER)
    for have, full, step in zip(shape, padded, (4, 8, 8), strict=True):
        assert have <= full < have + step


@pytest.mark.parametrize(
    ("frames", "size"), [(0, (64, 64)), (10**9, (64, 64)), (17, (0, 64)), (17, (64, 10**6)), (1, (10**5, 10**5))]
)
def test_impossible_sizes_are_refused_with_their_value(frames, size):
    with pytest.raises(InputError, match=r"frames=\d+|size \d+x\d+"):
        pixel_shape(frames, size)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_impossible_frame_rates_are_refused(fps):
    with pytest.raises(InputError, match="frame rate"):
        check_fps(fps)
