"""What turns gradients into better weights: Muon for the matrices inside blocks, AdamW for everything else.

Muon makes every direction of a matrix's momentum equally strong (Jordan 2024, "Muon: an optimizer for hidden layers";
Liu et al. 2025, 2502.16982). Embeddings, norms, biases, modulation and what comes in or goes out stay with AdamW.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from patchworld.train.config import TrainConfig
from patchworld.train.parallel import on_whole

MUON_SCALE = 20.0  # Muon's learning rate over AdamW's: its steps are measured by another norm
MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a, b and c of Jordan's iteration, the steepest at zero
NEWTON_SCHULZ_STEPS = 4  # of five that are usual: on small matrices they cost a third of a training step

# What each begins with.
_ADAMW = {
    "step": lambda p: torch.zeros((), device=p.device),
    "exp_avg": torch.zeros_like,
    "exp_avg_sq": torch.zeros_like,
}
_MUON = {"momentum_buffer": torch.zeros_like}


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether Muon moves it, where it is asked for."""
    return ".blocks." in f".{name}" and parameter.ndim == 2


def orthogonal(matrix: Tensor) -> Tensor:
    """U V' of a matrix U S V', roughly: singular values from 0.7 to 1.2 where they were not nearly zero; bfloat16.

    Each step is X <- a X + (b X X' + c (X X')^2) X (Jordan 2024), cheapest where X is wide.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16().T if tall else matrix.bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal. PyTorch's own sums over the shards of a matrix in bfloat16; here every rank has the
    whole of it for a moment.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    def step(self, closure: Any = None, each: Callable = map) -> None:  # type: ignore[override]
        """`each` is what goes through the matrices: `map`, or that of a pool of threads."""
        for group in self.param_groups:
            learned = [p for p in group["params"] if p.grad is not None]
            for parameter in learned:
                self.state[parameter].setdefault("momentum_buffer", torch.zeros_like(parameter))
            for _ in each(partial(self._move, group["lr"], group["weight_decay"]), learned):
                pass

    @torch.no_grad()
    def _move(self, lr: float, weight_decay: float, parameter: nn.Parameter) -> None:
        moment = self.state[parameter]["momentum_buffer"]
        assert parameter.grad is not None
        moment.lerp_(parameter.grad, 1 - MOMENTUM)
        push = parameter.grad.lerp(moment, MOMENTUM)  # a look ahead (Nesterov)
        move = on_whole(orthogonal, push)
        rows, columns = parameter.shape
        parameter.mul_(1 - lr * weight_decay)
        parameter.add_(move, alpha=-lr * max(1, rows / columns) ** 0.5)


class Optimizer:
    """One or two optimizers as one."""

    def __init__(self, module: nn.Module, config: TrainConfig) -> None:
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        inside = [p for name, p in named if config.optimizer == "muon" and is_hidden_matrix(name, p)]
        chosen = {id(p) for p in inside}
        rest = [p for _, p in named if id(p) not in chosen]
        decay = config.weight_decay
        self.parts: list[torch.optim.Optimizer] = []
        if rest:
            self.parts.append(torch.optim.AdamW(rest, config.lr, config.betas, weight_decay=decay, fused=True))
        if inside:
            self.parts.append(Muon(inside, config.lr, decay / MUON_SCALE))

    def states(self) -> list[dict[str, Tensor]]:
        """What is known of each parameter, as tensors that can be read and written; what it begins with, where nothing
        is known yet.
        """
        known = []
        for part in self.parts:
            empty = _MUON if isinstance(part, Muon) else _ADAMW
            for parameter in (p for group in part.param_groups for p in group["params"]):
                state = part.state[parameter]
                if not state:
                    state.update({key: make(parameter) for key, make in empty.items()})
                known.append(state)
        return known

    def set_learning_rate(self, lr: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * MUON_SCALE if isinstance(part, Muon) else lr

    def step(self, each: Callable = map) -> None:
        """`each`: see Muon.step; threads only where a process has all of every matrix."""
        for part in self.parts:
            part.step(each=each) if isinstance(part, Muon) else part.step()

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)
