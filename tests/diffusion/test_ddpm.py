"""DDPM: schedules and steps against diffusers, the loss against torch.distributions, and what caps promise."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from patchworld.diffusion import DDPM
from patchworld.diffusion.ddpm import VLB_WEIGHT, alpha_bars
from patchworld.errors import InputError

NAMES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
BOTH = pytest.mark.parametrize("betas", NAMES)


def theirs(kind, betas: str, num_steps: int, **options):
    """A scheduler of diffusers with the same settings as ours."""
    scheduler = kind(
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule=NAMES[betas],
        clip_sample=False,
        timestep_spacing="trailing",
        **options,
    )
    scheduler.set_timesteps(num_steps)
    return scheduler


def some_prediction(state: Tensor, level: Tensor) -> Tensor:
    """A smooth denoiser, right enough about the noise to keep values small."""
    noise = (state * (0.9 + 0.1 * level[:, None])).tanh() * 1.2
    return torch.cat([noise, 0.5 * torch.cos(state)], dim=1)


def gaussian_denoiser(betas: str, mean: float, std: float):
    """The exact noise prediction for data ~ N(mean, std^2), with the variance at its upper bound."""

    def predict(state: Tensor, level: Tensor) -> Tensor:
        abar = alpha_bars(1000, betas)[(level.double() * 1000).round().long()][:, None].float()
        noise = (1 - abar).sqrt() * (state - abar.sqrt() * mean) / (abar * std**2 + 1 - abar)
        return torch.cat([noise, torch.ones_like(noise)], dim=1)

    return predict


@BOTH
def test_schedules_are_those_of_diffusers(betas: str) -> None:
    ours = alpha_bars(1000, betas)
    assert float(ours[0]) == 1
    torch.testing.assert_close(
        ours[1:].float(), theirs(DDPMScheduler, betas, 1000).alphas_cumprod, rtol=2e-4, atol=1e-7
    )


def test_fewer_levels_end_as_noisy() -> None:
    assert all(float(alpha_bars(num_levels, "linear")[-1]) < 1e-4 for num_levels in (50, 200, 1000, 4000))


@BOTH
def test_corrupt_is_that_of_diffusers_and_clean_at_level_0(betas: str) -> None:
    process, scheduler = DDPM(beta_schedule=betas), theirs(DDPMScheduler, betas, 1000)
    clean, noise, index = torch.randn(6, 4), torch.randn(6, 4), torch.tensor([0, 1, 10, 500, 900, 998])
    noisy = process.corrupt(clean, noise, (index + 1) / 1000)
    torch.testing.assert_close(noisy, scheduler.add_noise(clean, noise, index), rtol=1e-4, atol=1e-5)
    assert torch.equal(process.corrupt(clean, noise, torch.zeros(6)), clean)


@BOTH
@pytest.mark.parametrize("num_steps", [20, 1000])
def test_ancestral_steps_are_those_of_diffusers(betas: str, num_steps: int) -> None:
    """Past the noisy end, where diffusers computes in float32 what needs float64.

    The last of few steps is left out too: it ends in clean data, and there diffusers adds some noise still.
    """
    scheduler = theirs(DDPMScheduler, betas, num_steps, variance_type="learned_range")
    process = DDPM(beta_schedule=betas, clean_limit=None)
    schedule = process.schedule(num_steps)
    assert [round(t * 1000) - 1 for t in schedule[:-1]] == scheduler.timesteps.tolist()
    for number in (num_steps // 4, num_steps // 2, num_steps - 2):
        state = torch.randn(5, 4, generator=torch.Generator().manual_seed(number))
        prediction = some_prediction(state, torch.full((5,), schedule[number]))
        generator = torch.Generator().manual_seed(1)
        expected = scheduler.step(prediction, int(scheduler.timesteps[number]), state, generator=generator).prev_sample
        fresh = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
        stepped = one_step(process, "ancestral", state, schedule[number], schedule[number + 1], fresh)
        torch.testing.assert_close(stepped, expected, rtol=1e-4, atol=2e-5)


@BOTH
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim_steps_are_those_of_diffusers(betas: str, eta: float) -> None:
    num_steps = 20
    scheduler = theirs(DDIMScheduler, betas, num_steps)
    process = DDPM(beta_schedule=betas, eta=eta, clean_limit=None)
    schedule = process.schedule(num_steps)
    for number in (5, 10, 18, 19):
        state, fresh = torch.randn(5, 4), torch.randn(5, 4)
        noise = some_prediction(state, torch.full((5,), schedule[number]))[:, :4]
        expected = scheduler.step(
            noise, int(scheduler.timesteps[number]), state, eta=eta, variance_noise=fresh if eta else None
        ).prev_sample
        stepped = one_step(process, "ddim", state, schedule[number], schedule[number + 1], fresh)
        # diffusers adds noise even where a step ends in clean data, but there its variance is 0.
        torch.testing.assert_close(stepped, expected, rtol=1e-4, atol=2e-5)


def one_step(process: DDPM, solver: str, state: Tensor, before: float, after: float, fresh: Tensor) -> Tensor:
    """A single step of `sample` from level `before` to `after`, by watching the state that the next step is given."""
    num_steps = round(1 / (before - after))
    cap = torch.full((len(state),), before)  # tokens wait at their cap until the sampler comes there
    seen: list[tuple[float, Tensor]] = []

    def watch(noisy: Tensor, level: Tensor) -> Tensor:
        seen.append((float(level[0]), noisy))
        return some_prediction(noisy, level)

    last = process.sample(watch, state, cap, num_steps=num_steps, solver=solver, fresh_noise=lambda step: fresh)
    return next((noisy for level, noisy in seen if level < before - 1e-6), last)


@BOTH
def test_the_bound_is_the_divergence_of_the_two_steps_back(betas: str) -> None:
    """By Bayes: q(x_{j-1} | x_j, x_0) is the product of two Gaussians in x_{j-1}."""
    process, (clean, noise) = DDPM(beta_schedule=betas), torch.randn(2, 5, 3).double()
    steps = torch.tensor([2, 3, 100, 600, 990])
    abar = alpha_bars(1000, betas)
    level, (now, before) = steps / 1000, (abar[steps][:, None], abar[steps - 1][:, None])
    noisy = now.sqrt() * clean + (1 - now).sqrt() * noise
    prediction = torch.cat([0.8 * noise, torch.tanh(clean)], dim=1)

    beta = 1 - now / before
    precision = (1 - beta) / beta + 1 / (1 - before)

    def step_back(data: Tensor) -> Tensor:
        return ((1 - beta).sqrt() / beta * noisy + before.sqrt() / (1 - before) * data) / precision

    true = Normal(step_back(clean), precision.rsqrt())
    estimate = (noisy - (1 - now).sqrt() * 0.8 * noise) / now.sqrt()
    share = (torch.tanh(clean) + 1) / 2
    predicted = Normal(step_back(estimate), (beta**share * (1 / precision) ** (1 - share)).sqrt())
    bits = kl_divergence(true, predicted).mean(dim=1) / math.log(2)

    loss = process.loss(prediction, clean, noise, noisy, level)
    simple = (0.2 * noise).square().mean(dim=1).float()
    torch.testing.assert_close((loss - simple) / (VLB_WEIGHT * 1000), bits.float(), rtol=1e-2, atol=1e-3)


def test_the_last_step_is_scored_by_the_likelihood_of_the_data() -> None:
    process, clean, noise = DDPM(), torch.randn(4, 3), torch.randn(4, 3)
    level = torch.full((4,), 1 / 1000)
    noisy = process.corrupt(clean, noise, level)
    prediction = torch.cat([0.5 * noise, torch.ones(4, 3)], dim=1)  # variance at its upper bound, beta_1 = 1e-4
    estimate = process.clean_estimate(prediction, noisy, level)
    bits = -Normal(estimate, 0.01).log_prob(clean).mean(dim=1) / math.log(2)
    loss = process.loss(prediction, clean, noise, noisy, level)
    torch.testing.assert_close(loss - (0.5 * noise).square().mean(dim=1), bits, rtol=1e-2, atol=1e-2)


def test_the_bound_trains_the_variance_alone() -> None:
    process, clean, noise = DDPM(), torch.randn(8, 3), torch.randn(8, 3)
    level = process.sample_levels(8)
    noisy = process.corrupt(clean, noise, level)
    prediction = torch.randn(8, 6, requires_grad=True)
    process.loss(prediction, clean, noise, noisy, level).sum().backward()
    assert prediction.grad is not None
    of_noise, of_variance = prediction.grad.chunk(2, dim=1)
    torch.testing.assert_close(of_noise, 2 / 3 * (prediction.detach()[:, :3] - noise))
    assert (of_variance != 0).all()


def test_the_loss_of_a_given_token_is_finite() -> None:
    process, clean = DDPM(), torch.randn(2, 3)
    prediction = torch.randn(2, 6, requires_grad=True)
    loss = process.loss(prediction, clean, torch.randn(2, 3), clean, torch.zeros(2))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_levels_are_the_steps_each_as_often() -> None:
    levels = DDPM(num_levels=10).sample_levels(20000, torch.Generator().manual_seed(0))
    counts = torch.bincount((levels * 10).round().long(), minlength=11)
    assert int(counts[0]) == 0
    assert int(counts[1:].min()) > 1800


def test_the_schedule_falls_from_1_to_0_through_levels_that_exist() -> None:
    for num_steps in (1, 7, 250, 1000):
        schedule = DDPM().schedule(num_steps)
        assert len(schedule) == num_steps + 1
        assert (schedule[0], schedule[-1]) == (1.0, 0.0)
        assert all(before > after for before, after in pairwise(schedule))
        assert all(round(t * 1000) / 1000 == t for t in schedule)
    with pytest.raises(InputError, match=r"num_steps=1001.*1 to 1000"):
        DDPM().schedule(1001)


@BOTH
@pytest.mark.parametrize(("solver", "eta"), [("ancestral", 0.0), ("ddim", 0.0), ("ddim", 1.0)])
def test_a_perfect_denoiser_gives_the_data_its_mean_and_spread(betas: str, solver: str, eta: float) -> None:
    num, generator = 10000, torch.Generator().manual_seed(0)
    clean = DDPM(beta_schedule=betas, eta=eta).sample(
        gaussian_denoiser(betas, 0.7, 0.5),
        torch.randn(num, 1, generator=generator),
        torch.ones(num),
        num_steps=250,
        solver=solver,
        fresh_noise=lambda step: torch.randn(num, 1, generator=generator),
    )
    assert float(clean.mean()) == pytest.approx(0.7, abs=0.02)
    assert float(clean.std()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("solver", "eta"), [("ancestral", 0.0), ("ddim", 0.0), ("ddim", 1.0)])
def test_given_tokens_come_back_bit_for_bit_and_soft_ones_wait(solver: str, eta: float) -> None:
    noisy, cap, seen = 20 * torch.randn(4, 3), torch.tensor([0.0, 1.0, 0.6, 0.0]), []

    def watch(state: Tensor, level: Tensor) -> Tensor:
        seen.append((state, level))
        return some_prediction(state, level)

    clean = DDPM(eta=eta).sample(
        watch, noisy, cap, num_steps=4, solver=solver, fresh_noise=lambda step: torch.randn(4, 3)
    )
    assert torch.equal(clean[cap == 0], noisy[cap == 0])
    assert [round(float(level[2]), 4) for _, level in seen] == [0.6, 0.6, 0.5, 0.25]
    assert torch.equal(seen[1][0][2], noisy[2])
    assert not torch.equal(seen[2][0][2], noisy[2])
    assert clean.isfinite().all()


def test_a_clumsy_denoiser_does_not_explode_on_the_cosine_schedule() -> None:
    """The first steps divide by sqrt(abar) = 5e-5: a small error there needs the limit."""
    clean = DDPM(beta_schedule="cosine").sample(
        lambda state, level: torch.cat([0.95 * state, torch.zeros_like(state)], dim=1),
        torch.randn(100, 2),
        torch.ones(100),
        num_steps=20,
        solver="ddim",
    )
    assert float(clean.abs().max()) <= 8


def test_noise_is_asked_for_by_the_number_of_the_step() -> None:
    asked: list[int] = []

    def fresh(step: int) -> Tensor:
        asked.append(step)
        return torch.zeros(2, 3)

    DDPM().sample(some_prediction, torch.randn(2, 3), torch.ones(2), num_steps=3, fresh_noise=fresh)
    assert asked == [1, 2, 3]
    with pytest.raises(InputError, match=r"'ancestral' adds noise"):
        DDPM().sample(some_prediction, torch.randn(2, 3), torch.ones(2), num_steps=3)


def test_guidance_pushes_the_noise_and_keeps_the_variance() -> None:
    conditional, unconditional = torch.randn(3, 4), torch.randn(3, 4)
    guided = DDPM().guide(conditional, unconditional, 2.0)
    torch.testing.assert_close(guided[:, :2], 2 * conditional[:, :2] - unconditional[:, :2])
    assert torch.equal(guided[:, 2:], conditional[:, 2:])
    assert torch.equal(DDPM().guide(conditional, unconditional, 1.0), conditional)


def test_wrong_settings_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"'sigmoid'.*linear or cosine"):
        DDPM(beta_schedule="sigmoid")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="num_levels=0"):
        DDPM(num_levels=0)
    with pytest.raises(InputError, match=r"'euler'.*ancestral, ddim"):
        DDPM().sample(some_prediction, torch.ones(1, 2), torch.ones(1), num_steps=2, solver="euler")
