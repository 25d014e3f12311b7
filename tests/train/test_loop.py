import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from patchworld.errors import DiskError, InputError, RunError
from patchworld.train import Stage, TrainConfig, train
from patchworld.train.checkpoint import list_checkpoints
from patchworld.train.loop import Loss, add_gradients, learning_rate, matmul_peak, mean, progress, stage_at
from patchworld.train.order import generator

QUICK = TrainConfig(steps=20, lr=0.05, lr_warmup_steps=2, precision="fp32")


class Line:
    """Fit y = 2 x + 1 from noisy points."""

    def __init__(self, stop_at: int | None = None, poison_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.stop_at, self.poison_at = stop_at, poison_at
        self.exported = None

    def parts(self, step: int) -> list[tuple[int, int]]:
        if step == self.stop_at:
            signal_interrupt()
        return [(step, number) for number in range(3)]

    def loss(self, part: tuple[int, int]) -> Loss:
        x = torch.randn(16, 1, generator=generator(0, *part))
        loss = (self.module(x) - (2 * x + 1)).square().mean()
        if part[0] == self.poison_at:
            loss = loss * float("nan")
        return Loss(loss, 16, 96.0)

    def names(self, part):
        return [f"points {part[1]}"]

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


def test_the_number_of_threads_changes_nothing(tmp_path):
    runs = [TrainConfig(**{**QUICK.model_dump(), "threads": threads}) for threads in (1, 3)]
    tasks = [Line(), Line()]
    for task, config in zip(tasks, runs, strict=True):
        train(task, config, tmp_path / str(config.threads))
    assert torch.equal(tasks[0].module.weight, tasks[1].module.weight)


def test_parts_weigh_the_same_and_their_gradients_add_up():
    task = Line()
    with ThreadPoolExecutor(2) as pool:
        losses, tokens, flops, _ = add_gradients(task, 0, list(task.module.parameters()), "fp32", pool)
    expected = sum(task.loss(part).value for part in task.parts(0)) / 3
    assert mean(losses) == pytest.approx(expected.item())
    assert (tokens, flops) == (48, 288.0)
    torch.testing.assert_close(task.module.weight.grad, torch.autograd.grad(expected, task.module.weight)[0])


class Convolution:
    """Weights channels last, whose gradients are not."""

    def __init__(self):
        torch.manual_seed(0)
        self.module = nn.Conv3d(2, 3, 3, bias=False).to(memory_format=torch.channels_last_3d)
        self.sign = torch.randn(3, 2, 3, 3, 3)

    def parts(self, step):
        return [0, 1]

    def loss(self, part):
        return Loss((self.module.weight.contiguous() * self.sign).sum(), 1, 1.0)

    def evaluate(self, folder, step):
        return {}

    def export(self, folder):
        pass


def test_weights_are_moved_by_their_own_gradients_whatever_their_order_of_memory(tmp_path):
    task = Convolution()
    before = task.module.weight.detach().clone()
    train(task, TrainConfig(steps=1, precision="fp32", weight_decay=0), tmp_path)
    assert torch.equal((task.module.weight - before).sign(), -task.sign.sign())


def test_a_run_that_is_done_stays_done(tmp_path):
    train(Line(), QUICK, tmp_path)
    task = Line()
    train(task, QUICK, tmp_path)
    assert len(losses(tmp_path)) == 20
    assert task.exported is not None


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(tmp_path):
    task = Line(poison_at=5)
    with pytest.raises(RunError, match=r"step 5: loss nan .* is not finite; its samples: points 0, points 1, points 2"):
        train(task, QUICK, tmp_path)
    assert task.module.weight.isfinite().all()


def test_only_whole_checkpoints_are_found(tmp_path):
    train(Line(), for_steps(3), tmp_path)
    (tmp_path / "checkpoints" / "step-00000099.partial").mkdir()
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-00000003"]


def test_metrics_that_find_no_room_end_the_run_which_goes_on_to_the_last_bit_when_there_is_some(small_disk, tmp_path):
    train(Line(), QUICK, tmp_path / "whole")
    out = small_disk / "run"
    train(Line(stop_at=7), QUICK, out)
    checkpoints = list_checkpoints(out / "checkpoints")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(DiskError, match=r"cannot write .*metrics.jsonl \(No space left on device\): make room"):
        train(Line(), QUICK, out)
    assert list_checkpoints(out / "checkpoints") == checkpoints
    filler.unlink()
    train(Line(), QUICK, out)
    assert losses(out) == losses(tmp_path / "whole")


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


def test_stages_follow_the_budget():
    config = TrainConfig(steps=10, stages=(Stage(until=0.3), Stage(until=0.5), Stage()))
    assert [stage_at(config, step / 10) for step in range(10)] == [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert stage_at(QUICK, 0.5) == -1


@pytest.mark.parametrize("ends", [(0.5,), (0.5, 0.5, 1), (0.6, 0.5, 1)])
def test_stages_end_one_after_the_other_and_the_last_at_the_end(ends):
    with pytest.raises(ValueError, match="each end later"):
        TrainConfig(steps=10, stages=tuple(Stage(until=end) for end in ends))


def test_a_task_without_stages_refuses_them(tmp_path):
    with pytest.raises(InputError, match="Line does not learn in stages"):
        train(Line(), TrainConfig(steps=10, stages=(Stage(),)), tmp_path)


def test_the_peak_is_a_speed():
    assert 1e8 < matmul_peak(torch.float32, 256) < 1e15
