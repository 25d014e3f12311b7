"""Rotary position embedding over three axes: seconds, y and x (Su et al. 2021, section 3.2.2, one axis at a time)."""

import torch
from torch import Tensor

UNITS_PER_SECOND = 4.0  # a latent frame of 4 pixel frames at 16 fps is one unit, as wide as a patch of a small picture
LONGEST = (1000.0, 100.0, 100.0)  # turn time of the slowest pair over that of the fastest, for seconds, y, x


def rotary_angles(positions: Tensor, head_width: int) -> Tensor:
    """Angles (n, head_width / 2) for positions (n, 3): a quarter of the pairs turns with time, the others with y, x."""
    pairs = head_width // 2
    time_pairs = pairs // 4
    y_pairs = (pairs - time_pairs) // 2
    scaled = positions * positions.new_tensor([UNITS_PER_SECOND, 1.0, 1.0])
    angles = []
    for axis, count in enumerate((time_pairs, y_pairs, pairs - time_pairs - y_pairs)):
        frequencies = LONGEST[axis] ** (-torch.arange(count, device=positions.device) / count)
        angles.append(scaled[:, axis, None] * frequencies)
    return torch.cat(angles, dim=1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i + k/2}) of (n, heads, k) by the angle whose cosine and sine, (n, 1, k/2), are given."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
