"""What turns gradients into better weights: Muon for the matrices inside blocks, AdamW for everything else.

Muon makes every direction of a matrix's momentum equally strong (Jordan 2024, "Muon: an optimizer for hidden layers";
Liu et al. 2025, 2502.16982). Embeddings, norms, biases, modulation and what comes in or goes out stay with AdamW.
"""

import torch
from torch import Tensor, nn

from patchworld.train.config import TrainConfig

MUON_SCALE = 20.0  # Muon's learning rate over AdamW's: its steps are measured by another norm
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


class Optimizer:
    """One or two of PyTorch's optimizers as one."""

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
            steps = NEWTON_SCHULZ_STEPS
            self.parts.append(torch.optim.Muon(inside, config.lr, weight_decay=decay / MUON_SCALE, ns_steps=steps))

    def states(self) -> list[dict[str, Tensor]]:
        """What is known of each parameter, as tensors that can be read and written; what it begins with, where nothing
        is known yet.
        """
        known = []
        for part in self.parts:
            empty = _MUON if isinstance(part, torch.optim.Muon) else _ADAMW
            for parameter in (p for group in part.param_groups for p in group["params"]):
                state = part.state[parameter]
                if not state:
                    state.update({key: make(parameter) for key, make in empty.items()})
                known.append(state)
        return known

    def set_learning_rate(self, lr: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * MUON_SCALE if isinstance(part, torch.optim.Muon) else lr

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)
