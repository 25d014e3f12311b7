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
    squared = sum(int(np.square(f.astype(np.int32) - g).sum(dtype=np.int64)) for f, g in zip(x, y, strict=True))
    return float("inf") if squared == 0 else float(10 * np.log10(255**2 * x.size / squared))


def ssim(a: Clip | np.ndarray, b: Clip | np.ndarray) -> float:
    """Structural similarity, -1 to 1, 1 when equal: the mean over frames, channels and windows.

    Equation 13 of Wang et al. 2004, with their 11 x 11 Gaussian window (sigma 1.5) at every place where it fits into
    the picture, C1 = (0.01 * 255)², C2 = (0.03 * 255)². A side below 11 pixels uses the widest odd window that fits.

    a, b: clips, or uint8 arrays (frames, height, width, 3), of the same shape. Raises InputError otherwise.
    """
    x, y = _same_shape(a, b)
    return float(np.mean([_frame_ssim(f, g) for f, g in zip(x, y, strict=True)]))


def _frame_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of two frames (height, width, 3)."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    cov = _blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float((top / bottom).mean())


def _blur(image: np.ndarray) -> np.ndarray:
    """Gaussian mean of (height, width, 3) over each window that fits: rows first, then columns."""
    for axis in (0, 1):
        length = image.shape[axis]
        window = min(_WINDOW, length - 1 + length % 2)
        offsets = np.arange(window) - window // 2
        weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
        weights /= weights.sum()
        room = length - window + 1
        lines = np.moveaxis(image, axis, 0)
        blurred = np.zeros((room, *lines.shape[1:]))
        for at, weight in enumerate(weights):
            blurred += weight * lines[at : at + room]
        image = np.moveaxis(blurred, 0, axis)
    return image


def _same_shape(a: Clip | np.ndarray, b: Clip | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = (clip.frames if isinstance(clip, Clip) else clip for clip in (a, b))
    check_frames(x)
    check_frames(y)
    if x.shape != y.shape:
        raise InputError(f"clips of {x.shape} and {y.shape} cannot be compared: give two of the same shape")
    return x, y
