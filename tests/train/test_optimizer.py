"""Claims about the optimizer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from patchworld.train import TrainConfig
from patchworld.train.optimizer import MUON_SCALE, NEWTON_SCHULZ_STEPS, Muon, Optimizer


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 8)])


def made(kind: str, lr: float = 0.1) -> tuple[Small, Optimizer]:
    torch.manual_seed(0)
    module = Small()
    optimizer = Optimizer(module, TrainConfig(steps=1, lr=lr, optimizer=kind, weight_decay=0))
    optimizer.set_learning_rate(lr)
    return module, optimizer


def give_gradients(module: nn.Module, seed: int = 1) -> None:
    torch.manual_seed(seed)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)


def test_adamw_is_that_of_pytorch():
    module, optimizer = made("adamw")
    other, _ = made("adamw")
    peer = torch.optim.AdamW(other.parameters(), 0.1, (0.9, 0.99), weight_decay=0)
    for seed in (1, 2):
        for each, step in ((module, optimizer.step), (other, peer.step)):
            give_gradients(each, seed)
            step()
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", [(4, 4), (12, 4), (4, 12)])
def test_muon_is_that_of_pytorch(shape):
    torch.manual_seed(0)
    own = nn.Parameter(torch.randn(shape))
    other = nn.Parameter(own.detach().clone())
    ours = Muon([own], 0.1, weight_decay=0.2)
    peer = torch.optim.Muon([other], 0.1, weight_decay=0.2, ns_steps=NEWTON_SCHULZ_STEPS)
    for _ in range(3):
        own.grad = torch.randn(shape)
        other.grad = own.grad.clone()
        ours.step()
        peer.step()
    assert torch.equal(own, other)


def test_threads_change_nothing():
    (alone, optimizer), (other, side_by_side) = made("muon"), made("muon")
    with ThreadPoolExecutor(2) as pool:
        for seed in (1, 2):
            give_gradients(alone, seed)
            give_gradients(other, seed)
            optimizer.step()
            side_by_side.step(pool.map)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), other.parameters(), strict=True))


def test_muon_moves_matrices_in_blocks_equally_far_in_every_direction():
    module, optimizer = made("muon", lr=1e-3)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    module.blocks[0].weight.grad = torch.diag(torch.tensor([1.0, 0.5, 0.3, 0.1]))
    optimizer.step()
    moved = (before["blocks.0.weight"] - module.blocks[0].weight).detach()
    lengths = torch.linalg.svdvals(moved) / (1e-3 * MUON_SCALE)
    assert lengths.min() > 0.3  # a tenth in the gradient
    assert lengths.max() < 1.3


@pytest.mark.parametrize("name", ["embed.weight", "embed.bias", "blocks.0.bias"])
def test_muon_leaves_everything_else_to_adamw(name):
    moved = {}
    for kind in ("muon", "adamw"):
        module, optimizer = made(kind)
        give_gradients(module)
        optimizer.step()
        moved[kind] = module.get_parameter(name).detach()
    assert torch.equal(moved["muon"], moved["adamw"])


def test_a_parameter_that_does_not_learn_stays():
    module = Small()
    module.blocks.requires_grad_(False)
    optimizer = Optimizer(module, TrainConfig(steps=1))
    assert len(optimizer.states()) == 2


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_states_before_the_first_step_are_what_it_begins_with(kind):
    """So a checkpoint of step 0 changes nothing."""
    asked, plain = made(kind), made(kind)
    asked[1].states()
    for module, optimizer in (asked, plain):
        give_gradients(module)
        optimizer.step()
    for a, b in zip(asked[0].parameters(), plain[0].parameters(), strict=True):
        assert torch.equal(a, b)
