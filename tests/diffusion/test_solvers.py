"""Solvers against an ODE with a closed form, and their measured order."""

import math

import pytest
import torch
from torch import Tensor

from patchworld.diffusion import RectifiedFlow
from patchworld.diffusion.solvers import VELOCITY_SOLVERS, ab2, euler, heun

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
@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (ab2, 2)])
def test_solvers_have_their_order(solver, order: int, shift: float) -> None:
    cap = torch.ones(9, dtype=torch.float64)
    coarse, fine = solve(solver, cap, 512, shift), solve(solver, cap, 1024, shift)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (ab2, 2)])
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


def test_ab2_is_exact_for_a_velocity_that_is_linear_in_time_after_its_first_step() -> None:
    """dx/dt = 2 t has the solution t^2; the Euler step from 1 to s errs by (1 - s)^2, and nothing adds to it."""
    schedule = [1.0, 0.8, 0.5, 0.1, 0.0]
    *_, last = ab2(lambda x, t: 2 * t[:, None], torch.ones(1, 1), torch.ones(1), schedule)
    assert float(last.after) == pytest.approx(-(0.2**2), abs=1e-6)


def test_ab2_comes_closest_for_the_same_number_of_evaluations() -> None:
    cap = torch.ones(9, dtype=torch.float64)
    for evaluations in (8, 16, 32):
        error = solve(ab2, cap, evaluations)
        assert error < solve(euler, cap, evaluations)
        assert error < solve(heun, cap, evaluations // 2)  # which asks one time less


@pytest.mark.parametrize(("name", "calls"), [("euler", 8), ("ab2", 8), ("heun", 15)])
def test_solvers_ask_the_denoiser_as_often_as_they_say(name: str, calls: int) -> None:
    asked: list[Tensor] = []

    def count(state: Tensor, level: Tensor) -> Tensor:
        asked.append(level)
        return torch.zeros_like(state)

    list(VELOCITY_SOLVERS[name](count, torch.ones(2, 3), torch.tensor([1.0, 0.4]), RectifiedFlow().schedule(8)))
    assert len(asked) == calls
    assert all(float(level.min()) > 0 for level in asked), "a dreamed token was shown as given"
