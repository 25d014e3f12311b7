"""DDPM: noise is added in T small steps; the denoiser predicts the noise, and how sure each step back is.

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps

Ho et al. 2020, "Denoising Diffusion Probabilistic Models" (2006.11239); Nichol and Dhariwal 2021, "Improved Denoising
Diffusion Probabilistic Models" (2102.09672: learned covariance, hybrid loss, cosine schedule); Song et al. 2020,
"Denoising Diffusion Implicit Models" (2010.02502); the setting of Peebles and Xie 2022, "DiT" (2212.09748).

Level t stands for the integer j = round(t T): j = 0 is clean, abar = 1; j = 1 ... T are the steps that papers count
from 1 and code usually from 0.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from patchworld.diffusion.process import FreshNoise, OnStep, Predict, check_num_steps, choose_solver, weighted_mean
from patchworld.errors import InputError

VLB_WEIGHT = 0.001  # lambda of the hybrid loss, 2102.09672 section 3.1

BetaSchedule = Literal["linear", "cosine"]


@lru_cache(maxsize=8)
def alpha_bars(num_levels: int, schedule: BetaSchedule) -> Tensor:
    """abar_0 = 1, abar_1, ..., abar_T: float64, (T + 1,). The share of the data's variance that is left.

    linear: beta from 1e-4 to 0.02 (2006.11239, section 4), times 1000 / T so that other T end as noisy.
    cosine: abar_j = f(j / T) / f(0) with f(u) = cos^2((u + 0.008) / 1.008 pi / 2), and beta at most 0.999
    (2102.09672, equation 17).
    """
    if schedule == "linear":
        scale = 1000 / num_levels
        betas = torch.linspace(1e-4 * scale, 0.02 * scale, num_levels, dtype=torch.float64).clamp(max=0.999)
    else:
        places = torch.arange(num_levels + 1, dtype=torch.float64) / num_levels
        remaining = torch.cos((places + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - remaining[1:] / remaining[:-1]).clamp(max=0.999)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, dim=0)])


class _Back(NamedTuple):
    """A step back from x_t to x_s, as x_s ~ N(of_clean x_0 + of_noisy x_t, variance): each (n, 1).

    `log_small` and `log_large` are the logarithms of beta tilde and beta, between which the learned variance lies.
    """

    of_clean: Tensor
    of_noisy: Tensor
    log_small: Tensor
    log_large: Tensor


def _posterior(abar_t: Tensor, abar_s: Tensor, smallest: float = 1e-20) -> _Back:
    """q(x_s | x_t, x_0) for any s < t, from (n,) float64 each.

    2006.11239, equations 6 and 7, with alpha = abar_t / abar_s and beta = 1 - alpha. Where s = t the step is exactly
    nothing: of_clean 0, of_noisy 1.
    """
    still = abar_t == abar_s
    alpha = abar_t / abar_s
    beta = 1 - alpha
    rest = (1 - abar_t).clamp(min=1e-12)  # 0 only where t is clean already, and then the token is still
    of_clean = torch.where(still, 0.0, abar_s.sqrt() * beta / rest)
    of_noisy = torch.where(still, 1.0, alpha.sqrt() * (1 - abar_s) / rest)
    small = ((1 - abar_s) / rest * beta).clamp(min=smallest)
    large = beta.clamp(min=smallest)
    return _Back(*(values[:, None] for values in (of_clean, of_noisy, small.log(), large.log())))


@dataclass(frozen=True)
class DDPM:
    """T discrete levels; the denoiser predicts 2p numbers: eps, then v that places the variance between its bounds."""

    num_levels: int = 1000
    beta_schedule: BetaSchedule = "linear"
    eta: float = 0.0  # noise of the ddim solver: 0 none, 1 as much as the posterior has (2010.02502, equation 16)
    clean_limit: float | None = 8.0  # estimates of clean values are held within +- this while sampling

    def __post_init__(self) -> None:
        if self.beta_schedule not in ("linear", "cosine"):
            raise InputError(f"unknown noise schedule '{self.beta_schedule}': use linear or cosine")
        if not (isinstance(self.num_levels, int) and 2 <= self.num_levels <= 100_000):
            raise InputError(f"num_levels={self.num_levels} is out of range: use a whole number from 2 to 100000")

    @property
    def solvers(self) -> tuple[str, ...]:
        return ("ancestral", "ddim")

    def num_outputs(self, num_values: int) -> int:
        return 2 * num_values

    def sample_levels(self, num: int, generator: torch.Generator | None = None, tokens: int | None = None) -> Tensor:
        """(num,) levels j / T with j uniform in 1 ... T, for clips of any size."""
        device = generator.device if generator is not None else None
        steps = torch.randint(1, self.num_levels + 1, (num,), generator=generator, device=device)
        return steps.float() / self.num_levels

    def corrupt(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """sqrt(abar) x_0 + sqrt(1 - abar) eps, (n, p) in float32 (2006.11239, equation 4)."""
        abar = self._alpha_bar(level)
        return _like(abar.sqrt(), clean) * clean.float() + _like((1 - abar).sqrt(), clean) * noise.float()

    def from_guess(self, output: Tensor, noisy: Tensor, level: Tensor, variance: Tensor) -> Tensor:
        """The best linear guess of eps from x_t, plus the output times its error; the learned covariance as it is.

        E[eps | x_t] = sqrt(1 - abar) / d x_t with d = abar s^2 + 1 - abar, error sqrt(abar) s / sqrt(d).
        """
        abar = _like(self._alpha_bar(level), noisy.float())
        values, spread = output.float().chunk(2, dim=1)
        total = (abar * variance + 1 - abar).clamp(min=1e-8)
        guess = (1 - abar).sqrt() / total * noisy.float()
        return torch.cat([guess + (abar * variance / total).sqrt() * values, spread], dim=1).float()

    def loss(
        self,
        prediction: Tensor,
        clean: Tensor,
        noise: Tensor,
        noisy: Tensor,
        level: Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """L_simple + 0.001 L_vlb, (n,): squared error of eps, and a bound on the likelihood that trains v alone.

        2102.09672, equation 16. L_vlb is a sum over T steps; at one random step it is estimated by T times that
        step's term, in bits as in the paper's figures. The mean is cut from the gradient there, so that eps learns
        from L_simple, which alone is weighted.
        """
        eps, v = prediction.float().chunk(2, dim=1)
        simple = weighted_mean((eps - noise.float()).square(), weight)
        bound = self._bound(eps.detach(), v, clean.float(), noisy.float(), level)
        return simple + VLB_WEIGHT * self.num_levels * bound

    def clean_estimate(self, prediction: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """(x_t - sqrt(1 - abar) eps) / sqrt(abar), (n, p), held within the limit (2006.11239, equation 15)."""
        eps = prediction.float()[:, : noisy.shape[1]]
        return self._clean(eps, noisy.float(), self._alpha_bar(level), self.clean_limit)

    def corrected(self, prediction: Tensor, change: Tensor, level: Tensor) -> Tensor:
        """eps - sqrt(abar / (1 - abar)) change, (n, 2 p); the learned covariance as it is."""
        abar = _like(self._alpha_bar(level), change)
        eps, spread = prediction.float().chunk(2, dim=1)
        return torch.cat([eps - (abar / (1 - abar).clamp(min=1e-6)).sqrt() * change, spread], dim=1)

    def guide(self, conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
        """eps by guidance, v as the prompt says: a variance is no direction to go further in."""
        eps, v = conditional.float().chunk(2, dim=1)
        return torch.cat([torch.lerp(unconditional.float().chunk(2, dim=1)[0], eps, scale), v], dim=1)

    def level_at(self, part: Tensor, tokens: int | None = None) -> Tensor:
        """Levels are evenly spaced, whatever the size of a clip."""
        return part

    def schedule(self, num_steps: int) -> list[float]:
        """num_steps + 1 levels from 1.0 to 0.0, as evenly spaced as multiples of 1 / T can be."""
        check_num_steps(num_steps, most=self.num_levels)
        return [round(self.num_levels * (1 - step / num_steps)) / self.num_levels for step in range(num_steps + 1)]

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
        """Steps back from noise to data, (n, p) in float32.

        ancestral: a draw from the learned p(x_s | x_t) (2006.11239, algorithm 2). ddim: the same marginals with `eta`
        noise. Both are x_s = a x_0 + b x_t + sigma z with their own a, b and sigma.
        """
        solver = choose_solver(solver, self.solvers)
        draws = solver == "ancestral" or self.eta > 0
        if draws and fresh_noise is None:
            raise InputError(f"solver '{solver}' adds noise at every step: give fresh_noise, or use 'ddim' with eta 0")
        state, cap = noisy.float(), self._steps(cap)
        levels = [cap.clamp(max=round(t * self.num_levels)) for t in self.schedule(num_steps)]
        for done in range(1, num_steps + 1):
            level = (levels[done - 1].double() / self.num_levels).to(state.device, torch.float32)
            prediction = predict(state, level).float()
            abars = alpha_bars(self.num_levels, self.beta_schedule)
            abar_t, abar_s = abars[levels[done - 1]], abars[levels[done]]
            eps, v = prediction.chunk(2, dim=1)
            clean = self._clean(eps, state, abar_t, self.clean_limit)
            if solver == "ancestral":
                back = _posterior(abar_t, abar_s)
                of_clean, of_noisy = back.of_clean, back.of_noisy
                sigma = (0.5 * _between(back, v)).exp()
            else:
                of_clean, of_noisy, sigma = self._ddim(abar_t, abar_s)
            state = _to(of_clean, state) * clean + _to(of_noisy, state) * state
            if draws:
                assert fresh_noise is not None
                # Nothing is added to tokens that stand still, nor by the step that ends in clean ones.
                moves = ((abar_t != abar_s) & (abar_s < 1))[:, None].to(state.device)
                drawn = fresh_noise(done).to(state.device, torch.float32)
                state = state + torch.where(moves, _to(sigma, state) * drawn, 0.0)
            if on_step is not None:
                on_step(done, num_steps, clean)
        return state

    def _ddim(self, abar_t: Tensor, abar_s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(a, b, sigma), each (n, 1): 2010.02502, equation 12, with its eps written in x_0 and x_t."""
        rest = (1 - abar_t).clamp(min=1e-12)
        variance = self.eta**2 * (1 - abar_s) / rest * (1 - abar_t / abar_s)
        still = abar_t == abar_s
        of_noisy = torch.where(still, 1.0, ((1 - abar_s - variance) / rest).clamp(min=0).sqrt())
        of_clean = torch.where(still, 0.0, abar_s.sqrt() - abar_t.sqrt() * of_noisy)
        return of_clean[:, None], of_noisy[:, None], variance.sqrt()[:, None]

    def _bound(self, eps: Tensor, v: Tensor, clean: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """One term of L_vlb in bits per value, (n,): KL of the true step back from the predicted one (equation 4).

        For the last step, into clean data, it is the negative log likelihood of a Gaussian (equation 4, L_0): latents
        are not rounded to 256 values, so nothing is discretised. That step's own beta tilde is 0, so its bounds are
        taken from the second step, as the paper's code does. A token at level 0 has no step; it gets the first one's
        finite number.
        """
        steps = self._steps(level).clamp(min=1)
        abars = alpha_bars(self.num_levels, self.beta_schedule)
        back = _posterior(abars[steps], abars[steps - 1])
        second = _posterior(abars[2:3], abars[1:2])
        first = (steps == 1)[:, None]
        back = back._replace(log_small=torch.where(first, second.log_small, back.log_small))
        log_variance, true_log = _between(back, v), _to(back.log_small, noisy)
        estimate = self._clean(eps, noisy, abars[steps], limit=None)
        error = (_to(back.of_clean, noisy) * (clean - estimate)).square()
        divergence = 0.5 * (
            log_variance - true_log - 1 + (true_log - log_variance).exp() + error * (-log_variance).exp()
        )
        likelihood = 0.5 * (math.log(2 * math.pi) + log_variance + error * (-log_variance).exp())
        return torch.where(first.to(noisy.device), likelihood, divergence).mean(dim=1) / math.log(2)

    def _clean(self, eps: Tensor, noisy: Tensor, abar: Tensor, limit: float | None) -> Tensor:
        """x_0 (n, p) from x_t and eps. Where abar is 1e-9, as the cosine schedule ends, only `limit` keeps it sane."""
        clean = (noisy - _like((1 - abar).sqrt(), noisy) * eps) / _like(abar.sqrt(), noisy)
        # A clean token is itself, whatever its size.
        return clean if limit is None else torch.where(_like(abar, noisy) == 1, noisy, clean.clamp(-limit, limit))

    def _steps(self, level: Tensor) -> Tensor:
        """j = round(t T), (n,) whole numbers from 0 to T, on the CPU like the tables that they point into."""
        return (level.detach().cpu().double() * self.num_levels).round().long()

    def _alpha_bar(self, level: Tensor) -> Tensor:
        """abar (n,), float64, at each level."""
        return alpha_bars(self.num_levels, self.beta_schedule)[self._steps(level)]


def _between(back: _Back, v: Tensor) -> Tensor:
    """Logarithm of the variance: f log beta + (1 - f) log beta tilde, f = (v + 1) / 2 (2102.09672, equation 15)."""
    share = (v + 1) / 2
    return share * _to(back.log_large, v) + (1 - share) * _to(back.log_small, v)


def _to(values: Tensor, like: Tensor) -> Tensor:
    """Coefficients computed in float64, brought to the tokens' device and float32."""
    return values.to(like.device, torch.float32)


def _like(values: Tensor, like: Tensor) -> Tensor:
    """(n,) float64 to (n, 1) float32 on the tokens' device."""
    return _to(values[:, None], like)
