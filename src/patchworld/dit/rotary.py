"""Rotary position embedding over three axes: seconds, y and x (Su et al. 2021, section 3.2.2, one axis at a time)."""

from typing import Any

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
    return _Rotation.apply(x, cos, sin)


class _Rotation(torch.autograd.Function):
    """The way back is the same turn the other way round: nothing of `x` is kept, and half as much memory is moved."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple:
        cos, sin = ctx.saved_tensors
        return _turned(grads[0], cos, sin, -1), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor, way: int) -> Tensor:
    """(a cos - b sin, a sin + b cos), with `way` -1 by the opposite angle."""
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    (a, b), (c, d) = x.chunk(2, dim=-1), out.chunk(2, dim=-1)
    torch.mul(a, cos, out=c).addcmul_(b, sin, value=-way)
    torch.mul(b, cos, out=d).addcmul_(a, sin, value=way)
    return out
