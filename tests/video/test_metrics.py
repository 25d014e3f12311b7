import numpy as np
import pytest
from video.making import scene

from patchworld.errors import InputError
from patchworld.video import Clip, psnr, ssim
from patchworld.video.metrics import Comparison


def noisy(frames: np.ndarray, spread: int) -> np.ndarray:
    noise = np.random.default_rng(1).integers(-spread, spread + 1, frames.shape)
    return (frames.astype(int) + noise).clip(0, 255).astype(np.uint8)


def test_psnr_of_a_constant_error_is_known():
    black = np.zeros((2, 16, 16, 3), np.uint8)
    assert psnr(black, black + 255) == 0.0
    assert psnr(black, black + 16) == pytest.approx(20 * np.log10(255 / 16))
    assert psnr(black, black) == float("inf")
    one = black.copy()
    one[0, 0, 0, 0] = 255  # one of 1536 values is wrong: the whole clip is one mean
    assert psnr(black, one) == pytest.approx(10 * np.log10(black.size))


def test_ssim_of_two_flat_pictures_is_their_luminance_term():
    a, b = np.full((1, 16, 16, 3), 100, np.uint8), np.full((1, 16, 16, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-6)


def test_ssim_is_one_for_equal_clips_and_negative_for_a_negative():
    frames = scene(2, 40, 32)
    assert ssim(frames, frames) == pytest.approx(1.0)
    assert ssim(frames, 255 - frames) < 0


def test_ssim_is_its_formula_at_every_window():
    a, b = scene(2, 40, 32), noisy(scene(2, 40, 32), 25)
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for x, y in zip(
        a.transpose(0, 3, 1, 2).reshape(6, 32, 40), b.transpose(0, 3, 1, 2).reshape(6, 32, 40), strict=True
    ):
        u, v = (np.lib.stride_tricks.sliding_window_view(p.astype(float), (11, 11)) for p in (x, y))
        mu, mv = ((w * weights).sum((2, 3)) for w in (u, v))
        var_u = ((u - mu[:, :, None, None]) ** 2 * weights).sum((2, 3))
        var_v = ((v - mv[:, :, None, None]) ** 2 * weights).sum((2, 3))
        cov = ((u - mu[:, :, None, None]) * (v - mv[:, :, None, None]) * weights).sum((2, 3))
        values.append((2 * mu * mv + c1) * (2 * cov + c2) / ((mu**2 + mv**2 + c1) * (var_u + var_v + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(values), abs=1e-6)


def test_pictures_smaller_than_the_window_are_compared_too():
    a = scene(1, 8, 5)
    assert ssim(a, a) == pytest.approx(1.0)
    assert ssim(a, noisy(a, 60)) < 0.9
    assert ssim(a[:, :1, :1], a[:, :1, :1]) == pytest.approx(1.0)


def test_clips_and_arrays_are_the_same_and_shapes_must_agree():
    a, b = scene(3), noisy(scene(3), 9)
    assert psnr(Clip(a, 24), b) == psnr(a, b)
    with pytest.raises(InputError, match="same shape"):
        psnr(a, b[:2])
    with pytest.raises(InputError, match="float32"):
        ssim(a.astype(np.float32), b)


def test_frame_by_frame_is_the_same_as_at_once():
    a, b = scene(3, 40, 32), noisy(scene(3, 40, 32), 25)
    comparison = Comparison()
    for before, after in zip(a, b, strict=True):
        comparison.add(before, after)
    assert comparison.num_frames == 3
    assert comparison.psnr == psnr(a, b)
    assert comparison.ssim == pytest.approx(ssim(a, b), abs=1e-12)
    with pytest.raises(InputError, match="cannot be compared"):
        comparison.add(a[0], b[0, 1:])
