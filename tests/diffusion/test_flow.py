"""Rectified flow: its lines, levels and schedule; against diffusers; and what caps promise."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from torch import Tensor

from patchworld.diffusion import RectifiedFlow, shift_level
from patchworld.diffusion.solvers import heun
from patchworld.errors import InputError


def curved(state: Tensor, level: Tensor) -> Tensor:
    """Some smooth velocity."""
    return torch.sin(3 * state) + level[:, None] * state.roll(1, dims=1)


def test_corrupt_runs_from_data_to_noise_along_a_line() -> None:
    clean, noise = torch.randn(3, 4), torch.randn(3, 4)
    noisy = RectifiedFlow().corrupt(clean, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(noisy[0], clean[0])
    torch.testing.assert_close(noisy[1], 0.75 * clean[1] + 0.25 * noise[1])
    assert torch.equal(noisy[2], noise[2])


def test_the_true_velocity_has_no_loss_and_leads_back_to_the_data() -> None:
    flow, clean, noise = RectifiedFlow(), torch.randn(64, 4), torch.randn(64, 4)
    level = flow.sample_levels(64)
    noisy = flow.corrupt(clean, noise, level)
    assert torch.equal(flow.loss(noise - clean, clean, noise, noisy, level), torch.zeros(64))
    torch.testing.assert_close(flow.clean_estimate(noise - clean, noisy, level), clean)


def test_the_loss_is_a_mean_over_the_values_of_each_token() -> None:
    clean, noise = torch.zeros(2, 4), torch.zeros(2, 4)
    prediction = torch.tensor([[2.0, 0, 0, 0], [1, 1, 1, 1]])
    loss = RectifiedFlow().loss(prediction, clean, noise, clean, torch.full((2,), 0.5))
    assert loss.tolist() == [1.0, 1.0]


def test_errors_count_as_much_as_their_weight() -> None:
    clean, noise = torch.zeros(2, 4), torch.zeros(2, 4)
    prediction, weight = torch.tensor([[2.0, 0, 0, 0], [1, 1, 1, 1]]), torch.tensor([0.25, 0.75, 1, 2])
    loss = RectifiedFlow().loss(prediction, clean, noise, clean, torch.full((2,), 0.5), weight)
    assert loss.tolist() == [0.25, 1.0]


def test_levels_are_logit_normal_and_shifted() -> None:
    generator = torch.Generator().manual_seed(0)
    level = RectifiedFlow(logit_mean=-0.5, logit_std=0.8, shift=3.0).sample_levels(20000, generator)
    assert float(level.min()) > 0
    assert float(level.max()) < 1
    logit = torch.logit(shift_level(level, 1 / 3))  # a shift is undone by its inverse
    assert float(logit.mean()) == pytest.approx(-0.5, abs=0.02)
    assert float(logit.std()) == pytest.approx(0.8, abs=0.02)


def test_a_generator_makes_levels_repeatable() -> None:
    one, two = (RectifiedFlow().sample_levels(5, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_schedule_and_steps_are_those_of_diffusers(shift: float) -> None:
    num_steps, flow = 12, RectifiedFlow(shift=shift)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / num_steps, num_steps))
    torch.testing.assert_close(torch.tensor(flow.schedule(num_steps)), scheduler.sigmas)

    clean, noise = torch.randn(5, 4), torch.randn(5, 4)
    level = scheduler.sigmas[3].expand(5)
    theirs = scheduler.scale_noise(clean, scheduler.timesteps[3:4].expand(5), noise)
    torch.testing.assert_close(flow.corrupt(clean, noise, level), theirs)

    state = noise
    for time, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        state = scheduler.step(curved(state, sigma.expand(5)), time, state).prev_sample
    ours = flow.sample(curved, noise, torch.ones(5), num_steps=num_steps, solver="euler")
    torch.testing.assert_close(ours, state)


def test_heun_steps_are_those_of_diffusers() -> None:
    scheduler = FlowMatchHeunDiscreteScheduler()
    scheduler.set_timesteps(10)
    noise = torch.randn(5, 4)
    state = noise
    for time in scheduler.timesteps:
        level = (time / 1000).expand(5)
        state = scheduler.step(curved(state, level), time, state).prev_sample
    schedule = [*scheduler.sigmas[:-1].unique().flip(0).tolist(), 0.0]
    *_, last = heun(curved, noise, torch.ones(5), schedule)
    torch.testing.assert_close(last.after, state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("solver", RectifiedFlow().solvers)
def test_given_tokens_come_back_bit_for_bit(solver: str) -> None:
    noisy = torch.randn(6, 4)
    cap = torch.tensor([0.0, 1, 0, 0.5, 1, 0])
    clean = RectifiedFlow(shift=2.0).sample(curved, noisy, cap, num_steps=5, solver=solver)
    assert torch.equal(clean[cap == 0], noisy[cap == 0])
    assert not torch.isclose(clean[cap > 0], noisy[cap > 0]).all(dim=1).any()


@pytest.mark.parametrize("solver", RectifiedFlow().solvers)
def test_softly_given_tokens_wait_at_their_cap(solver: str) -> None:
    flow, seen = RectifiedFlow(), []
    noisy, cap = torch.randn(2, 4), torch.tensor([1.0, 0.6])

    def watch(state: Tensor, level: Tensor) -> Tensor:
        seen.append((state, level))
        return curved(state, level)

    flow.sample(watch, noisy, cap, num_steps=4, solver=solver)
    assert sorted({round(float(level[1]), 3) for _, level in seen}, reverse=True) == [0.6, 0.5, 0.25]
    assert all(torch.equal(state[1], noisy[1]) for state, level in seen if level[1] == 0.6)


@pytest.mark.parametrize("solver", RectifiedFlow().solvers)
def test_a_perfect_denoiser_gives_the_data_its_mean_and_spread(solver: str) -> None:
    mean, std, num = 0.7, 0.5, 20000

    def perfect(state: Tensor, level: Tensor) -> Tensor:
        t = level[:, None]
        noise = t * (state - (1 - t) * mean) / ((1 - t) ** 2 * std**2 + t**2)
        return noise - (state - t * noise) / (1 - t).clamp(min=1e-3) if float(level[0]) < 1 else noise - mean

    noise = torch.randn(num, 1, generator=torch.Generator().manual_seed(0))
    clean = RectifiedFlow().sample(perfect, noise, torch.ones(num), num_steps=64, solver=solver)
    assert float(clean.mean()) == pytest.approx(mean, abs=0.02)
    assert float(clean.std()) == pytest.approx(std, abs=0.02)


def test_progress_is_told_after_each_step_with_an_estimate_of_the_clean_tokens() -> None:
    told: list[tuple[int, int, Tensor]] = []
    clean, noise = torch.randn(3, 4), torch.randn(3, 4)
    RectifiedFlow().sample(
        lambda state, level: noise - clean,
        noise,
        torch.ones(3),
        num_steps=4,
        on_step=lambda *arguments: told.append(arguments),
    )
    assert [(done, steps) for done, steps, _ in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for _, _, estimate in told:
        torch.testing.assert_close(estimate, clean)


def test_a_denoiser_in_bfloat16_is_integrated_in_float32() -> None:
    noisy = torch.randn(3, 4)
    clean = RectifiedFlow().sample(lambda x, t: curved(x, t).bfloat16(), noisy.bfloat16(), torch.ones(3), num_steps=3)
    assert clean.dtype == torch.float32


def test_guidance_at_1_is_the_conditional_prediction() -> None:
    conditional, unconditional = torch.randn(3, 4), torch.randn(3, 4)
    flow = RectifiedFlow()
    assert torch.equal(flow.guide(conditional, unconditional, 1.0), conditional)
    assert torch.equal(flow.guide(conditional, unconditional, 0.0), unconditional)
    torch.testing.assert_close(flow.guide(conditional, unconditional, 3.0), 3 * conditional - 2 * unconditional)


def test_the_sampler_may_be_shifted_further_than_training() -> None:
    flow, plain, draw = RectifiedFlow(shift=2.0, sampler_shift=1.5), RectifiedFlow(shift=2.0), torch.Generator
    assert flow.schedule(8) == RectifiedFlow(shift=3.0).schedule(8)
    assert torch.equal(flow.sample_levels(9, draw().manual_seed(0)), plain.sample_levels(9, draw().manual_seed(0)))


@pytest.mark.parametrize(("part", "steps"), [(1.0, 8), (0.5, 4), (0.25, 2), (0.3, 3), (0.0, 0)])
def test_what_is_given_softly_is_dreamed_by_the_last_part_of_the_steps(part: float, steps: int) -> None:
    process, asked = RectifiedFlow(shift=3, sampler_shift=1.5, base_tokens=4), []

    def predict(noisy: Tensor, level: Tensor) -> Tensor:
        asked.append(level.max().item())
        return noisy

    cap = process.level_at(torch.full((9,), part), 9)
    process.sample(predict, torch.ones(9, 2), cap, num_steps=8, solver="euler")
    assert sum(level > 0 for level in asked) == steps


def test_the_shift_grows_with_the_square_root_of_the_tokens() -> None:
    flow = RectifiedFlow(shift=1.5, base_tokens=100)
    assert [flow.shift_for(tokens) for tokens in (25, 100, 400)] == [0.75, 1.5, 3.0]
    assert flow.schedule(8, 400) == RectifiedFlow(shift=3.0).schedule(8)
    levels = [
        process.sample_levels(9, torch.Generator().manual_seed(0), 400) for process in (flow, RectifiedFlow(shift=3))
    ]
    assert torch.equal(*levels)


@pytest.mark.parametrize("tokens", [4, 64])
def test_pictures_of_equal_values_are_hidden_alike_at_every_size(tokens: int) -> None:
    """Esser et al.: of n equal values x, the mean of n noisy ones tells x up to t / (1 - t) / sqrt(n)."""
    level = torch.tensor(RectifiedFlow(base_tokens=16).schedule(8, tokens)[1:-1])
    at_base = torch.tensor(RectifiedFlow().schedule(8)[1:-1])
    torch.testing.assert_close(level / (1 - level) / tokens**0.5, at_base / (1 - at_base) / 16**0.5)


@pytest.mark.parametrize("solver", RectifiedFlow().solvers)
def test_a_sampler_takes_the_schedule_of_the_clip_that_it_dreams(solver: str) -> None:
    noisy, cap = torch.randn(64, 4), torch.ones(64)
    sized = RectifiedFlow(base_tokens=16).sample(curved, noisy, cap, num_steps=5, solver=solver)
    assert torch.equal(sized, RectifiedFlow(shift=2.0).sample(curved, noisy, cap, num_steps=5, solver=solver))


def test_without_a_base_the_number_of_tokens_changes_nothing() -> None:
    flow = RectifiedFlow(shift=2.0)
    assert flow.schedule(5) == flow.schedule(5, 9) == flow.schedule(5, 900)
    levels = [flow.sample_levels(9, torch.Generator().manual_seed(0), tokens) for tokens in (None, 9, 900)]
    assert torch.equal(levels[0], levels[1])
    assert torch.equal(levels[0], levels[2])


def test_wrong_settings_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"'rk45'.*dpm, euler, heun"):
        RectifiedFlow().sample(curved, torch.ones(1, 2), torch.ones(1), num_steps=2, solver="rk45")
    with pytest.raises(InputError, match="num_steps=0"):
        RectifiedFlow().schedule(0)
    with pytest.raises(InputError, match="shift=0"):
        RectifiedFlow(shift=0)
    with pytest.raises(InputError, match="sampler_shift=-1"):
        RectifiedFlow(sampler_shift=-1)
    with pytest.raises(InputError, match="base_tokens=0"):
        RectifiedFlow(base_tokens=0)
