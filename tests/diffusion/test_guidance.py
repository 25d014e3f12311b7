"""Guidance asks for both where it must, and for one where it may."""

import pytest
import torch
from torch import Tensor

from patchworld.diffusion import DDPM, RectifiedFlow, guided
from patchworld.errors import InputError


class Asked:
    """A denoiser that predicts a constant and counts."""

    def __init__(self, value: float) -> None:
        self.value, self.times = value, 0

    def __call__(self, noisy: Tensor, level: Tensor) -> Tensor:
        self.times += 1
        return torch.full_like(noisy, self.value)


class Both:
    """Two denoisers, asked at once."""

    def __init__(self, value: float, other: float) -> None:
        self.values, self.times = (value, other), 0

    def __call__(self, noisy: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        self.times += 1
        return torch.full_like(noisy, self.values[0]), torch.full_like(noisy, self.values[1])


def test_guidance_at_scale_1_is_the_conditional_alone() -> None:
    conditional, both = Asked(1.0), Both(1.0, 0.0)
    predict = guided(conditional, both, 1.0, RectifiedFlow().guide)
    assert torch.equal(predict(torch.zeros(2, 3), torch.ones(2)), torch.ones(2, 3))
    assert (conditional.times, both.times) == (1, 0)


def test_guidance_pushes_away_from_the_unconditional() -> None:
    predict = guided(Asked(1.0), Both(1.0, 0.25), 3.0, RectifiedFlow().guide)
    assert torch.equal(predict(torch.zeros(2, 3), torch.ones(2)), torch.full((2, 3), 2.5))


def test_guidance_works_only_inside_its_interval() -> None:
    conditional, both = Asked(1.0), Both(1.0, 0.0)
    predict = guided(conditional, both, 2.0, RectifiedFlow().guide, interval=(0.2, 0.8))
    level = torch.tensor([1.0, 0.8, 0.5, 0.2, 0.0])
    assert predict(torch.zeros(5, 1), level).flatten().tolist() == [1, 2, 2, 1, 1]
    predict(torch.zeros(2, 1), torch.tensor([0.9, 0.0]))
    assert (conditional.times, both.times) == (1, 1)


def test_guidance_of_ddpm_leaves_the_variance_to_the_prompt() -> None:
    predict = guided(Asked(1.0), Both(1.0, 0.5), 2.0, DDPM().guide)
    assert predict(torch.zeros(1, 4), torch.ones(1)).tolist() == [[1.5, 1.5, 1.0, 1.0]]


@pytest.mark.parametrize("interval", [(0.5, 0.5), (-0.1, 1.0), (0.0, 1.1), (0.8, 0.2)])
def test_intervals_that_are_none_are_refused(interval: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="guidance interval"):
        guided(Asked(1.0), Both(1.0, 0.0), 2.0, RectifiedFlow().guide, interval)
