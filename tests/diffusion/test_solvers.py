"""Solvers against an ODE with a closed form, and their measured order."""

import math

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from patchworld.diffusion import RectifiedFlow
from patchworld.diffusion.solvers import VELOCITY_SOLVERS, dpm, euler, heun

MEAN, STD = 0.7, 0.5


def velocity(state: Tensor, level: Tensor) -> Tensor:
    """The exact flow for data ~ N(MEAN, STD^2): x_t = (1 - t) MEAN + sqrt((1 - t)^2 STD^2 + t^2) z."""
    t = level[:, None]
    variance = (1 - t) ** 2 * STD**2 + t**2
    z = (state - (1 - t) * MEAN) / variance.sqrt()
    return -MEAN + (t - (1 - t) * STD**2) / variance.sqrt() * z


def place(z: Tensor, level: Tensor) -> Tensor:
    """Where the path of `z` is at `level`: the closed form."""
    t = level[:, None]
    return (1 - t) * MEAN + ((1 - t) ** 2 * STD**2 + t**2).sqrt() * z


def solve(solver, cap: Tensor, num_steps: int, shift: float = 1.0) -> float:
    """Largest error at t = 0."""
    z = torch.linspace(-2, 2, len(cap), dtype=torch.float64)[:, None]
    schedule = RectifiedFlow(shift=shift).schedule(num_steps)
    *_, last = solver(velocity, place(z, cap), cap, schedule)
    return float((last.after - place(z, torch.zeros_like(cap))).abs().max())


@pytest.mark.parametrize("shift", [1.0, 2.0], ids=["even steps", "uneven steps"])
@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (dpm, 2)])
def test_solvers_have_their_order(solver, order: int, shift: float) -> None:
    cap = torch.ones(9, dtype=torch.float64)
    coarse, fine = solve(solver, cap, 512, shift), solve(solver, cap, 1024, shift)
    # Steps of dpm are even in no variable near either end: a logarithm is lost, and the order nears 2 from below.
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.3 if solver is dpm else 0.15)


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (dpm, 2)])
def test_tokens_that_begin_inside_a_step_keep_the_order(solver, order: int) -> None:
    cap = torch.tensor([1.0, 0.9, 0.5003, 0.31], dtype=torch.float64)
    coarse, fine = solve(solver, cap, 128), solve(solver, cap, 512)
    assert math.log2(coarse / fine) / 2 > order - 0.25


@pytest.mark.parametrize("name", VELOCITY_SOLVERS)
def test_a_constant_velocity_is_followed_exactly(name: str) -> None:
    state, slope = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 3.0]])
    steps = VELOCITY_SOLVERS[name](lambda x, t: slope, state, torch.ones(1), RectifiedFlow(shift=2.0).schedule(7))
    *_, last = steps
    torch.testing.assert_close(last.after, state - slope)


def test_dpm_is_exact_where_the_clean_estimate_does_not_change() -> None:
    """All data are one point: from anywhere, one step of any length leads there."""
    point = torch.tensor([[2.0, -1.0]])
    for steps in (1, 2, 5):
        *_, last = dpm(
            lambda x, t: (x - point) / t[:, None], torch.ones(1, 2), torch.ones(1), RectifiedFlow().schedule(steps)
        )
        torch.testing.assert_close(last.after, point)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers, of NumPy 2
def test_dpm_agrees_with_diffusers() -> None:
    peer = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, algorithm_type="dpmsolver++"
    )
    peer.set_timesteps(6)
    schedule = peer.sigmas.tolist()
    state = place(torch.linspace(-2, 2, 9)[:, None], torch.ones(9)).float()
    *_, last = dpm(velocity, state, torch.ones(9), schedule)
    for level, moment in zip(schedule[:-1], peer.timesteps, strict=True):
        state = peer.step(velocity(state, torch.full((9,), level)), moment, state).prev_sample
    torch.testing.assert_close(last.after, state, atol=1e-5, rtol=1e-5)


def test_dpm_comes_closest_for_the_same_number_of_evaluations() -> None:
    cap = torch.ones(9, dtype=torch.float64)
    for evaluations in (8, 16, 32):
        error = solve(dpm, cap, evaluations)
        assert error < solve(euler, cap, evaluations)
        assert error < solve(heun, cap, evaluations // 2)  # which asks one time less


@pytest.mark.parametrize(("name", "calls"), [("euler", 8), ("dpm", 8), ("heun", 15)])
def test_solvers_ask_the_denoiser_as_often_as_they_say(name: str, calls: int) -> None:
    asked: list[Tensor] = []

    def count(state: Tensor, level: Tensor) -> Tensor:
        asked.append(level)
        return torch.zeros_like(state)

    list(VELOCITY_SOLVERS[name](count, torch.ones(2, 3), torch.tensor([1.0, 0.4]), RectifiedFlow().schedule(8)))
    assert len(asked) == calls
    assert all(float(level.min()) > 0 for level in asked), "a dreamed token was shown as given"
