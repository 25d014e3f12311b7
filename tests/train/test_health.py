import contextlib
import json

import pytest
import torch
from torch import nn

from patchworld.errors import RunError
from patchworld.train import TrainConfig, loop, train
from patchworld.train.checkpoint import list_checkpoints
from patchworld.train.health import UNJUDGED, Health
from patchworld.train.loop import Loss
from patchworld.train.order import generator

SEEDS = (0, 1, 2)
STEPS = 70


def noisy(seed, steps=1000):
    draw = generator(seed)
    return [
        (1 + 0.3 * float(torch.randn((), generator=draw)), float(torch.rand((), generator=draw))) for _ in range(steps)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_is_no_trouble_and_a_spike_is(seed):
    health = Health()
    for loss, norm in noisy(seed):
        assert health.trouble(loss, norm) is None
        health = health.after(loss, norm)
    assert "is a spike above" in health.trouble(100.0, 0.5)
    assert "gradient 100 is a spike" in health.trouble(1.0, 100.0)
    assert health.trouble(-5.0, 0.0) is None  # a loss that falls is none, nor is one below zero


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_trouble_from_the_first_step(bad):
    assert "not finite" in Health().trouble(bad, 1.0)
    assert "not finite" in Health().trouble(1.0, bad)


def test_the_means_are_those_of_the_losses_and_survive_json():
    health, rows = Health(), noisy(0, 20)
    for row in rows:
        health = health.after(*row)
    losses = torch.tensor([loss for loss, _ in rows], dtype=torch.float64)
    assert health.loss == pytest.approx(losses.mean().item())
    assert health.variance == pytest.approx(losses.var(correction=0).item())
    assert Health(**json.loads(json.dumps(vars(health)))) == health


class Injected:
    """A line to fit, with one bad step: its loss, or its gradient alone, is multiplied."""

    def __init__(self, bad_step, factor, gradient_only=False):
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.bad_step, self.factor, self.gradient_only = bad_step, factor, gradient_only
        self.seen = []

    def parts(self, step):
        return [(step, number) for number in range(2)]

    def names(self, part):
        return [f"clip {part[0]}-{part[1]}"]

    def loss(self, part):
        self.seen.append(part[0])
        x = torch.randn(8, 1, generator=generator(0, *part))
        loss = (self.module(x) - 2 * x).square().mean() + 1
        if part == (self.bad_step, 1):
            bad = loss * self.factor
            loss = bad - bad.detach() + loss.detach() if self.gradient_only else bad
        return Loss(loss, 8, 1.0)

    def export(self, folder):
        pass

    def evaluate(self, folder, step):
        return {}


@pytest.fixture(autouse=True)
def _any_peak(monkeypatch):
    monkeypatch.setattr(loop, "matmul_peak", lambda dtype: 1e9)


def settings(on_trouble):
    return TrainConfig(steps=STEPS, lr=1e-3, precision="fp32", threads=1, on_trouble=on_trouble)


INJECTIONS = [(float("nan"), False), (float("inf"), False), (100, False), (1e6, True)]


@pytest.mark.parametrize(("factor", "gradient_only"), INJECTIONS)
@pytest.mark.parametrize("step", [UNJUDGED + number for number in range(STEPS - UNJUDGED)])
def test_bad_numbers_stop_the_run_before_the_update_and_are_named(tmp_path, factor, gradient_only, step):
    task = Injected(step, factor, gradient_only)
    guilty = f"clip {step}-0, clip {step}-1" if gradient_only else f"clip {step}-1"  # a loss tells whose it is
    with pytest.raises(RunError, match=rf"step {step}: .*; its samples: {guilty}; look at them"):
        train(task, settings("stop"), tmp_path / "bad")
    assert [path.name for path in list_checkpoints(tmp_path / "bad" / "checkpoints")] == [f"step-{step:08d}"]
    assert task.module.weight.isfinite().all()


@pytest.mark.parametrize(("factor", "gradient_only"), INJECTIONS)
def test_the_test_sees_bad_numbers_that_reach_the_weights(tmp_path, monkeypatch, factor, gradient_only):
    monkeypatch.setattr(Health, "trouble", lambda *of: None)
    weights = []
    for number, bad in enumerate((factor, 1.0)):
        task = Injected(60, bad, gradient_only)
        with contextlib.suppress(RunError):  # of a checkpoint that is not finite
            train(task, settings("stop"), tmp_path / f"{number}")
        weights.append(task.module.weight.item())
    assert weights[0] != pytest.approx(weights[1], rel=1e-4)


@pytest.mark.parametrize(("factor", "gradient_only"), INJECTIONS)
def test_a_step_can_be_skipped(tmp_path, factor, gradient_only, capsys):
    task = Injected(60, factor, gradient_only)
    train(task, settings("skip"), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "not_learned_from" in row] == [61]
    assert {row["step"] for row in rows} == set(range(1, STEPS + 1))
    assert all(row["memory_mb"] > 10 and row["data_fraction"] >= 0 for row in rows if "loss" in row)
    assert "step 60: " in capsys.readouterr().err
    assert task.module.weight.isfinite().all()


def test_a_rewound_run_has_the_weights_of_its_last_checkpoint_and_the_data_after_the_bad_step(tmp_path):
    task = Injected(60, float("nan"))
    at = {}
    loss = task.loss

    def noted(part):
        at.setdefault(part[0], task.module.weight.item())
        return loss(part)

    task.loss = noted
    train(task, settings("rewind"), tmp_path)
    assert at[61] == at[0] != at[60]  # the only checkpoint was that of the start
    assert max(task.seen) == STEPS - 1


def test_a_run_in_which_every_step_is_bad_ends(tmp_path):
    task = Injected(-1, 1.0)
    task.loss = lambda part: Loss(task.module.weight.sum() * float("nan"), 1, 1.0)
    with pytest.raises(RunError, match="step 9"):
        train(task, settings("skip"), tmp_path)
