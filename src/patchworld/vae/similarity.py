"""Structural similarity of pixels as a loss: `video.metrics.ssim` for tensors that are learned from."""

from functools import lru_cache

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5


def structural_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Mean SSIM over frames, colours and windows of pixels (b, 3, f, h, w) in [-1, 1], a scalar in float32.

    Equation 13 of Wang et al. 2004 with their Gaussian window at every place where it fits; a side below 11 pixels
    uses the widest odd window that fits.
    """
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    x, y = a.float() + 1, b.float() + 1
    with torch.autocast(a.device.type, enabled=False):  # differences of squares need every digit
        mean_x, mean_y, xx, yy, xy = (_blur(each) for each in (x, y, x * x, y * y, x * y))
    var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    top = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return (top / bottom).mean()


def _blur(x: Tensor) -> Tensor:
    """Gaussian mean over each window that fits, along the last two axes, as two matrix products."""
    height, width = (_window(side).to(x.device) for side in x.shape[-2:])
    return height @ x @ width.mT


@lru_cache(maxsize=64)
def _window(side: int) -> Tensor:
    """(places, side) the weights of each window along a side."""
    window = min(WINDOW, side - 1 + side % 2)
    offsets = torch.arange(side) - torch.arange(side - window + 1)[:, None] - window // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2)) * (offsets.abs() <= window // 2)
    return weights / weights.sum(1, keepdim=True)
