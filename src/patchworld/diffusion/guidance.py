"""Classifier-free guidance: two predictions, with and without the prompt, and a step beyond the one with it.

Ho and Salimans 2022 (2207.12598); the interval from Kynkaanniemi et al. 2024 (2404.07724): at the highest levels
guidance makes samples alike, at the lowest it costs time and changes nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from patchworld.diffusion.process import Predict
from patchworld.errors import InputError

ALWAYS = (0.0, 1.0)

PredictBoth = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(state, level) -> predictions with the prompt and without it."""

Guide = Callable[[Tensor, Tensor, float], Tensor]
"""`NoiseProcess.guide`: (conditional, unconditional, scale) -> prediction."""


def is_guided(level: Tensor, interval: tuple[float, float]) -> Tensor:
    """(n,) bool: the tokens whose level lies in the interval, low < t <= high. Given tokens, at level 0, never do."""
    low, high = interval
    return (level > low) & (level <= high)


def guided(
    conditional: Predict,
    both: PredictBoth,
    scale: float,
    guide: Guide,
    interval: tuple[float, float] = ALWAYS,
) -> Predict:
    """A denoiser that predicts by guidance of `scale` where a token's level is in `interval`, and plainly elsewhere.

    Scale 1 is the conditional denoiser itself; where no token is in the interval, too, it alone is asked. For a
    negative prompt, the second of `both` is the denoiser that is given it.
    """
    low, high = interval
    if not 0 <= low < high <= 1:
        raise InputError(f"guidance interval {low} to {high} is not one: use 0 <= low < high <= 1")
    if scale == 1:
        return conditional

    def predict(noisy: Tensor, level: Tensor) -> Tensor:
        inside = is_guided(level, interval)
        if not inside.any():
            return conditional(noisy, level)
        with_prompt, without = both(noisy, level)
        pushed = guide(with_prompt, without, scale)
        return torch.where(inside[:, None], pushed, with_prompt.to(pushed.dtype))

    return predict
