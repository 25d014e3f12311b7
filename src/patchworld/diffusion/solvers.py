"""Solvers of dx/dt = v(x, t) from t = 1 down to t = 0, every token at its own level min(t, cap) (see process.py).

A solver is a generator: it takes (velocity, state (n, p), cap (n,), schedule), and yields a `Step` after each of the
schedule's steps. The caller reports progress between steps, and stops simply by asking no further. All arithmetic is
in float32.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(state (n, p), level (n,)) -> dx/dt (n, p)."""


class Step(NamedTuple):
    """One step of a solver: the state before it, the velocity found there at `level` (n,), and the state after it."""

    before: Tensor
    level: Tensor
    slope: Tensor
    after: Tensor


Solver = Callable[[Velocity, Tensor, Tensor, list[float]], Iterator[Step]]


def euler(velocity: Velocity, state: Tensor, cap: Tensor, schedule: list[float]) -> Iterator[Step]:
    """x_s = x_t + (s - t) v(x_t, t): first order, one evaluation a step."""
    for here, there in _levels(cap, schedule):
        slope = velocity(state, here)
        step = Step(state, here, slope, state + _column(there - here) * slope)
        state = step.after
        yield step


def heun(velocity: Velocity, state: Tensor, cap: Tensor, schedule: list[float]) -> Iterator[Step]:
    """x_s = x_t + (s - t) (v(x_t, t) + v(x'_s, s)) / 2 with x'_s from Euler: second order, two evaluations a step.

    Karras et al. 2022 (2206.00364), algorithm 1. Like there, the last step is an Euler step: at level 0 a denoiser
    takes a token for given, and says nothing of where it came from. One step of first order leaves the whole of
    second order.
    """
    last = len(schedule) - 2
    for number, (here, there) in enumerate(_levels(cap, schedule)):
        slope = velocity(state, here)
        length = _column(there - here)
        after = state + length * slope
        if number < last:
            after = state + length * (slope + velocity(after, there)) / 2
        step = Step(state, here, slope, after)
        state = after
        yield step


def dpm(velocity: Velocity, state: Tensor, cap: Tensor, schedule: list[float]) -> Iterator[Step]:
    """x_s = (s / t) x_t + (1 - s / t) (x0_t + r (x0_t - x0_u) / 2): second order for one evaluation a step.

    DPM-Solver++(2M) (Lu et al. 2022, 2211.01095, algorithm 2) on the straight path: x0_t = x_t - t v_t is the clean
    estimate, x0_u that of the step before, r the ratio of this step to that one in lambda = log((1 - t) / t). Where
    lambda has no end, in the first step and the last, r is 0, as in the second; so it is in that of a softly given
    token that began inside a step: its own first step may have been so short that the difference of estimates shows
    what its neighbours did rather than how its own path bends.
    """
    earlier: Tensor | None = None  # clean estimate of the step before
    for number, (here, there) in enumerate(_levels(cap, schedule)):
        slope = velocity(state, here)
        clean = state - _column(here) * slope
        ahead = clean
        if earlier is not None:
            before, now, after = schedule[number - 1 : number + 2]
            weight = torch.where(cap >= before, _ratio(before, now, after) / 2, 0.0)
            ahead = clean + _column(weight) * (clean - earlier)
        kept = _column(torch.where(here > 0, there / here, 1.0))
        step = Step(state, here, slope, kept * state + (1 - kept) * ahead)
        earlier, state = clean, step.after
        yield step


def _ratio(before: float, now: float, after: float) -> float:
    """How much longer the step from `now` is than the one before it, in log((1 - t) / t); 0 where one has no end."""
    if before == 1 or after == 0:
        return 0.0
    at_before, at_now, at_after = (math.log((1 - level) / level) for level in (before, now, after))
    return (at_after - at_now) / (at_now - at_before)


VELOCITY_SOLVERS: dict[str, Solver] = {"dpm": dpm, "euler": euler, "heun": heun}
"""By the names that people choose them by; the first is the default."""


def _levels(cap: Tensor, schedule: list[float]) -> Iterator[tuple[Tensor, Tensor]]:
    """The tokens' levels (n,) before and after each step."""
    for before, after in pairwise(schedule):
        yield cap.clamp(max=before), cap.clamp(max=after)


def _column(values: Tensor) -> Tensor:
    """(n,) -> (n, 1), to be multiplied with the values of every token."""
    return values[:, None]
