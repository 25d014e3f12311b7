"""How alike two clips are, pixel by pixel."""

import numpy as np

from patchworld.errors import InputError
from patchworld.video.clip import Clip, check_frames

_WINDOW, _SIGMA = 11, 1.5


def psnr(a: Clip | np.ndarray, b: Clip | np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(255² / mean squared error) over the whole clip; inf when equal.

    a, b: clips, or uint8 arrays (frames, height, width, 3), of the same shape. Raises InputError otherwise.
    """
    x, y = _same_shape(a, b)
    return _decibels(sum(_squared_error(f, g) for f, g in zip(x, y, strict=True)), x.size)


def ssim(a: Clip | np.ndarray, b: Clip | np.ndarray) -> float:
    """Structural similarity, -1 to 1, 1 when equal: the mean over frames, channels and windows.

    Equation 13 of Wang et al. 2004, with their 11 x 11 Gaussian window (sigma 1.5) at every place where it fits into
    the picture, C1 = (0.01 * 255)², C2 = (0.03 * 255)². A side below 11 pixels uses the widest odd window that fits.

    a, b: clips, or uint8 arrays (frames, height, width, 3), of the same shape. Raises InputError otherwise.
    """
    x, y = _same_shape(a, b)
    return float(np.mean([_frame_ssim(f, g) for f, g in zip(x, y, strict=True)]))


class Comparison:
    """`psnr` and `ssim` of two videos that come pair of frames by pair, so that they may be longer than memory."""

    def __init__(self) -> None:
        self.num_frames = 0
        self._values = self._squared = 0
        self._similarity = 0.0

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Count the next frame of both: uint8 (height, width, 3). Raises InputError when their shapes differ."""
        x, y = _same_shape(a[None], b[None])
        self.num_frames += 1
        self._values += x.size
        self._squared += _squared_error(x[0], y[0])
        self._similarity += _frame_ssim(x[0], y[0])

    @property
    def psnr(self) -> float:
        return _decibels(self._squared, self._values)

    @property
    def ssim(self) -> float:
        return self._similarity / self.num_frames


def _squared_error(a: np.ndarray, b: np.ndarray) -> int:
    """Summed over one frame."""
    return int(np.square(a.astype(np.int32) - b).sum(dtype=np.int64))


def _decibels(squared_error: int, num_values: int) -> float:
    return float("inf") if squared_error == 0 else float(10 * np.log10(255**2 * num_values / squared_error))


def _frame_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two frames (height, width, 3)."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    # Counted from the middle grey: variances stay the same, and their small differences fit into single precision.
    x, y = (frame.transpose(2, 0, 1).astype(np.float32) - 128 for frame in (a, b))
    mean_x, mean_y, xx, yy, xy = _blur(np.stack([x, y, x * x, y * y, x * y]))
    var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    mean_x, mean_y = mean_x + 128, mean_y + 128
    top = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float((top / bottom).mean(dtype=np.float64))


def _blur(images: np.ndarray) -> np.ndarray:
    """Gaussian mean over each window that fits, along the last two axes, which shrink by the window less one."""
    for axis in (-2, -1):
        lines = np.moveaxis(images, axis, 0)
        window = min(_WINDOW, len(lines) - 1 + len(lines) % 2)
        weights = np.exp(-((np.arange(window) - window // 2) ** 2) / (2 * _SIGMA**2))
        weights = (weights / weights.sum()).astype(np.float32)
        room = len(lines) - window + 1
        blurred = lines[window // 2 :][:room] * weights[window // 2]
        for at in range(window // 2):  # the window is symmetric: both sides at once
            pair = lines[at : at + room] + lines[window - 1 - at :][:room]
            pair *= weights[at]
            blurred += pair
        images = np.moveaxis(blurred, 0, axis)
    return images


def _same_shape(a: Clip | np.ndarray, b: Clip | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = (clip.frames if isinstance(clip, Clip) else clip for clip in (a, b))
    check_frames(x)
    check_frames(y)
    if x.shape != y.shape:
        raise InputError(f"clips of {x.shape} and {y.shape} cannot be compared: give two of the same shape")
    return x, y
