"""Rectified flow: data and noise joined by straight lines, and the denoiser says which way the line runs.

    x_t = (1 - t) x_0 + t eps,   v = dx_t/dt = eps - x_0,   eps ~ N(0, 1)

Liu et al. 2022, "Flow Straight and Fast" (arXiv 2209.03003, equation 1); Lipman et al. 2022, "Flow Matching"
(2210.02747); noise levels and shift from Esser et al. 2024, "Scaling Rectified Flow Transformers" (2403.03206,
sections 3.1 and 5.3.2).
"""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from patchworld.diffusion.process import FreshNoise, OnStep, Predict, check_num_steps, choose_solver, weighted_mean
from patchworld.diffusion.solvers import VELOCITY_SOLVERS
from patchworld.errors import InputError

Level = TypeVar("Level", float, Tensor)
FAINTEST = 1e-3  # levels below it count as this one where something is divided by them
ROUNDING = 1e-6  # of levels, between a schedule in float64 and caps in float32


def shift_level(level: Level, shift: float) -> Level:
    """t' = s t / (1 + (s - 1) t): moves levels towards noise for s > 1; keeps 0 and 1 (2403.03206, equation 23).

    A large picture needs more noise than a small one to be hidden as well, since its neighbouring values say the same.
    """
    return shift * level / (1 + (shift - 1) * level)


@dataclass(frozen=True)
class RectifiedFlow:
    """Straight lines from data (t = 0) to noise (t = 1); the denoiser predicts the velocity v = eps - x_0."""

    logit_mean: float = 0.0  # of the levels trained at: logit(t) ~ N(mean, std^2), before the shift
    logit_std: float = 1.0
    shift: float = 1.0  # above 1: trains and samples at noisier levels, in training and in the sampler's schedule alike
    sampler_shift: float = 1.0  # times `shift`, in the sampler's schedule: few steps want more of them where noise is
    base_tokens: int | None = None  # `shift` is that of a clip of so many tokens, see `shift_for`; None: that of all

    def __post_init__(self) -> None:
        for name in ("shift", "sampler_shift", "logit_std"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name}={getattr(self, name)} must be above 0")
        if self.base_tokens is not None and self.base_tokens < 1:
            raise InputError(f"base_tokens={self.base_tokens} is too few: use 1 or more, or None for one shift")

    def shift_for(self, tokens: int | None) -> float:
        """The shift of a clip of so many tokens: shift * sqrt(tokens / base_tokens) (2403.03206, section 5.3.2).

        There the ratio is that of two pictures' pixels. For a clip it is that of tokens, frames included, as
        neighbouring frames say the same no less than neighbouring pixels. Without `base_tokens`, or for a clip of
        unknown size, it is `shift`.
        """
        if self.base_tokens is None or tokens is None:
            return self.shift
        return self.shift * (tokens / self.base_tokens) ** 0.5

    @property
    def solvers(self) -> tuple[str, ...]:
        return tuple(VELOCITY_SOLVERS)

    def num_outputs(self, num_values: int) -> int:
        return num_values

    def sample_levels(self, num: int, generator: torch.Generator | None = None, tokens: int | None = None) -> Tensor:
        """(num,) levels in (0, 1), logit-normal (2403.03206, equation 19), then shifted as for clips of `tokens`."""
        device = generator.device if generator is not None else None
        normal = torch.randn(num, generator=generator, device=device)
        return shift_level(torch.sigmoid(self.logit_mean + self.logit_std * normal), self.shift_for(tokens))

    def corrupt(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """(1 - t) x_0 + t eps, (n, p) in float32."""
        t = level.float()[:, None]
        return (1 - t) * clean.float() + t * noise.float()

    def from_guess(self, output: Tensor, noisy: Tensor, level: Tensor, variance: Tensor) -> Tensor:
        """The best linear guess of v from x_t alone, plus `output` times the error of that guess, (n, p).

        With d = (1 - t)^2 s^2 + t^2 for values of variance s^2: E[v | x_t] = (t - (1 - t) s^2) / d x_t, its error
        s / sqrt(d) (the preconditioning of Karras et al. 2022, 2206.00364, section 5, with a variance for each value).
        """
        t = level.float()[:, None]
        total = ((1 - t) ** 2 * variance + t**2).clamp(min=1e-8)
        return (t - (1 - t) * variance) / total * noisy.float() + (variance / total).sqrt() * output.float()

    def loss(
        self,
        prediction: Tensor,
        clean: Tensor,
        noise: Tensor,
        noisy: Tensor,
        level: Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Mean over p of weight (prediction - (eps - x_0))^2, (n,)."""
        return weighted_mean((prediction.float() - (noise.float() - clean.float())).square(), weight)

    def clean_estimate(self, prediction: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """x_t - t v, (n, p): the other end of the line."""
        return noisy.float() - level.float()[:, None] * prediction.float()

    def corrected(self, prediction: Tensor, change: Tensor, level: Tensor) -> Tensor:
        """v - change / t, (n, p)."""
        return prediction.float() - change / level.float().clamp(min=FAINTEST)[:, None]

    def guide(self, conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
        """unconditional + scale (conditional - unconditional) (Ho and Salimans 2022, 2207.12598, section 3.2)."""
        return torch.lerp(unconditional.float(), conditional.float(), scale)

    def level_at(self, part: Level, tokens: int | None = None) -> Level:
        """The last `part` of the steps begins at this level: `part`, shifted as for a clip of `tokens`, and more."""
        return shift_level(part, self.sampler_shift * self.shift_for(tokens))

    def schedule(self, num_steps: int, tokens: int | None = None) -> list[float]:
        """num_steps + 1 levels from 1.0 to 0.0, each after equally many steps: see `level_at`."""
        check_num_steps(num_steps)
        return [self.level_at(1 - step / num_steps, tokens) for step in range(num_steps + 1)]

    def sample(
        self,
        predict: Predict,
        noisy: Tensor,
        cap: Tensor,
        *,
        num_steps: int,
        solver: str | None = None,
        fresh_noise: FreshNoise | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Follows the velocity from noise to data, (n, p) in float32; an ODE, so `fresh_noise` is never asked for.

        The n tokens are those of one clip where `base_tokens` makes the schedule depend on their number.
        """
        solve = VELOCITY_SOLVERS[choose_solver(solver, self.solvers)]
        state, cap, levels = noisy.float(), cap.float(), self.schedule(num_steps, len(noisy))

        def velocity(state: Tensor, level: Tensor) -> Tensor:
            return predict(state, level).float()

        # Where all is given softly nothing moves above the highest level: those steps are left out.
        idle = sum(level > float(cap.max()) - ROUNDING for level in levels[1:])
        for done, step in enumerate(solve(velocity, state, cap, levels[idle:]), start=idle + 1):
            state = step.after
            if on_step is not None:
                on_step(done, num_steps, self.clean_estimate(step.slope, step.before, step.level))
        return state
