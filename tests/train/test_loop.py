import json

import pytest
import torch
from torch import nn

from patchworld.errors import RunError
from patchworld.train import TrainConfig, train
from patchworld.train.checkpoint import list_checkpoints
from patchworld.train.loop import StepResult, learning_rate, matmul_peak, progress
from patchworld.train.order import generator

QUICK = TrainConfig(steps=20, lr=0.05, lr_warmup_steps=2, precision="fp32")


class Line:
    """Fit y = 2 x + 1 from noisy points."""

    def __init__(self, stop_at: int | None = None, poison_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.stop_at, self.poison_at = stop_at, poison_at
        self.exported = None

    def step(self, step: int) -> StepResult:
        if step == self.stop_at:
            signal_interrupt()
        x = torch.randn(16, 1, generator=generator(0, step))
        loss = (self.module(x) - (2 * x + 1)).square().mean()
        if step == self.poison_at:
            loss = loss * float("nan")
        loss.backward()
        return StepResult(loss.item(), 16, 96.0, {})

    def evaluate(self, folder, step):
        return {"weight": self.module.weight.item()}

    def export(self, folder):
        self.exported = self.module.weight.item()


def signal_interrupt():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGINT)


def losses(out):
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def test_a_line_is_learned(tmp_path):
    task = Line()
    train(task, TrainConfig(steps=300, lr=0.05, precision="fp32", ema_decay=0.9), tmp_path)
    assert task.exported == pytest.approx(2, abs=0.05)
    assert len(losses(tmp_path)) == 300


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path):
    whole, stopped, resumed = Line(), Line(stop_at=7), Line()
    train(whole, QUICK, tmp_path / "whole")
    train(stopped, QUICK, tmp_path / "parts")
    assert len(losses(tmp_path / "parts")) == 8  # the step in which Ctrl-C came is finished
    train(resumed, QUICK, tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert torch.equal(resumed.module.weight, whole.module.weight)
    assert resumed.exported == whole.exported


def test_a_run_that_is_done_stays_done(tmp_path):
    train(Line(), QUICK, tmp_path)
    task = Line()
    train(task, QUICK, tmp_path)
    assert len(losses(tmp_path)) == 20
    assert task.exported is not None


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(tmp_path):
    task = Line(poison_at=5)
    with pytest.raises(RunError, match="step 5 is not finite"):
        train(task, QUICK, tmp_path)
    assert task.module.weight.isfinite().all()


def test_only_whole_checkpoints_are_found(tmp_path):
    train(Line(), for_steps(3), tmp_path)
    (tmp_path / "checkpoints" / "step-00000099.partial").mkdir()
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-00000003"]


def for_steps(steps):
    return TrainConfig(**{**QUICK.model_dump(), "steps": steps})


def test_the_learning_rate_rises_stays_and_falls_to_the_end_of_the_budget():
    config = TrainConfig(steps=100, lr=1.0, lr_warmup_steps=10, lr_decay=0.5)
    rates = [learning_rate(config, step, 0) for step in range(101)]
    assert rates[0] < rates[5] < rates[10] == rates[50] == 1
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.01)
    timed = TrainConfig(minutes=10, lr=1.0, lr_warmup_steps=0, lr_decay=0.5)
    assert learning_rate(timed, 5, 450) == pytest.approx(0.5)
    assert progress(timed, 5, 300) == 0.5


@pytest.mark.parametrize("budget", [{}, {"minutes": 1, "steps": 1}, {"minutes": 0}, {"steps": -1}])
def test_exactly_one_budget_is_needed(budget):
    with pytest.raises(ValueError, match=r"budget|greater than 0"):
        TrainConfig(**budget)


def test_the_peak_is_a_speed():
    assert 1e8 < matmul_peak(torch.float32, 256) < 1e15
