"""What every noise process can do: the one interface between noise and data.

Noise levels. `t` runs from 1 (pure noise) to 0 (clean). Tokens are packed: states are (n, p), and each token has a
level of its own, (n,).

Caps. Each token also has a cap in [0, 1]: the highest level it may have. A dreamed token has cap 1, a given token cap
0, a softly given one something between (see `level_at`). When the sampler goes from t to s, a token goes from min(t,
cap) to min(s, cap). So a given token takes steps of length zero and comes back bit for bit, and a softly given token
waits at its cap until the sampler comes down to it.

    t of the sampler   1.0   0.75   0.5   0.25   0
    dreamed, cap 1     1.0   0.75   0.5   0.25   0
    softly,  cap 0.6   0.6   0.6    0.5   0.25   0
    given,   cap 0     0     0      0     0      0
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from patchworld.errors import InputError

Predict = Callable[[Tensor, Tensor], Tensor]
"""The denoiser: (noisy (n, p), level (n,)) -> prediction (n, outputs)."""

FreshNoise = Callable[[int], Tensor]
"""Standard normal noise (n, p) for a step of the sampler; steps count from 1, so that 0 is free for the first noise."""

OnStep = Callable[[int, int, Tensor], None]
"""Called after each step with (steps done, steps in all, estimate of the clean tokens (n, p))."""


class NoiseProcess(Protocol):
    """A way from data to noise, and back along a denoiser's predictions."""

    @property
    def solvers(self) -> tuple[str, ...]:
        """Names of the solvers that `sample` knows; the first is the default."""

    def num_outputs(self, num_values: int) -> int:
        """How many numbers the denoiser predicts for a token of `num_values` numbers."""

    def sample_levels(self, num: int, generator: torch.Generator | None = None, tokens: int | None = None) -> Tensor:
        """`num` random levels to train clips of `tokens` tokens at, (num,) in (0, 1]."""

    def corrupt(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """The noisy tokens (n, p) at `level` (n,); at level 0 exactly `clean`."""

    def from_guess(self, output: Tensor, noisy: Tensor, level: Tensor, variance: Tensor) -> Tensor:
        """The prediction of a denoiser whose `output` (n, outputs) says what the best linear guess lacks.

        `variance` (p,) is that of each value of the clean tokens. What a linear map knows need not be learned, and
        faint values, mostly noise, no longer fill the width of the denoiser.
        """

    def loss(
        self,
        prediction: Tensor,
        clean: Tensor,
        noise: Tensor,
        noisy: Tensor,
        level: Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """How wrong the `prediction` (n, outputs) is: one finite number per token, (n,), the mean over its values, each
        times its `weight` (p,).
        """

    def clean_estimate(self, prediction: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """The clean tokens (n, p) that the `prediction` points to; good enough for previews at any level."""

    def corrected(self, prediction: Tensor, change: Tensor, level: Tensor) -> Tensor:
        """The prediction whose clean estimate is that of `prediction` and `change` (n, p)."""

    def guide(self, conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
        """Classifier-free guidance: the prediction pushed away from the unconditional one by `scale`."""

    def level_at(self, part: Tensor, tokens: int | None = None) -> Tensor:
        """The level of a sampler that has this last `part` of its steps before it, for a clip of `tokens`: 1 to 0."""

    def schedule(self, num_steps: int) -> list[float]:
        """The levels that a sampler of `num_steps` visits: num_steps + 1 values falling from 1.0 to 0.0."""

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
        """Clean tokens (n, p) from `noisy` ones, each at its `cap` (n,), that is, from corrupt(clean, noise, cap)."""


def weighted_mean(error: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over p of errors (n, p), each times its `weight` (p,) where there is one: (n,)."""
    return error.mean(dim=1) if weight is None else (error * weight).mean(dim=1)


def check_num_steps(num_steps: int, most: int = 10_000) -> None:
    """Raises InputError unless `num_steps` is a whole number from 1 to `most`."""
    if not (isinstance(num_steps, int) and 1 <= num_steps <= most):
        raise InputError(f"num_steps={num_steps} is out of range: use a whole number from 1 to {most}")


def choose_solver(name: str | None, known: tuple[str, ...]) -> str:
    """`name` if it is `known`, the first known one if it is None, an InputError otherwise."""
    if name is None:
        return known[0]
    if name not in known:
        raise InputError(f"unknown solver '{name}': this noise process knows {', '.join(known)}")
    return name
