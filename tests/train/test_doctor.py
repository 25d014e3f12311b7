from dataclasses import replace

import pytest
import tiny_runs
import torch

from patchworld.dit import DiffusionTransformer, TransformerConfig
from patchworld.patches import pack, positions
from patchworld.shapes import Shape
from patchworld.train import TrainConfig
from patchworld.train.doctor import (
    DEVICES,
    Device,
    Plan,
    activation_bytes,
    count_weights,
    duration,
    flops_per_token,
    measure,
    memory_bytes,
    plan_of_preset,
    plan_of_task,
    report,
    size,
    tokens_per_second,
    tokens_per_step,
)

STEPS = TrainConfig(steps=1000, precision="fp32", threads=1)
SIZES = TransformerConfig(width=128, head_width=64, depth=4)
PLAN = Plan(SIZES, weights=1_000_000, learned=1_000_000, by_muon=0, clip_tokens=80, words=10, pack_tokens=320)
MACHINE = Device("machine", flops=1e12, memory=1e9, reached=0.5)


@pytest.mark.parametrize(("preset", "billions"), [("small", 0.0110), ("1b", 1.07), ("7b", 7.07)])
def test_presets_have_the_weights_that_are_said_of_them(preset, billions):
    assert plan_of_preset(preset, False, (17, 64, 64), 1280, STEPS).weights == pytest.approx(billions * 1e9, rel=0.02)


def test_muon_keeps_one_moment_of_its_matrices():
    both, one = (memory_bytes(replace(PLAN, by_muon=number), 0)["moments"] for number in (0, 400_000))
    assert (both, one) == (8e6, 6.4e6)
    by_adamw = plan_of_preset("small", False, (17, 64, 64), 1280, TrainConfig(steps=1, optimizer="adamw"))
    by_muon = plan_of_preset("small", False, (17, 64, 64), 1280, STEPS)
    assert by_adamw.by_muon == 0
    assert 0.7 < by_muon.by_muon / by_muon.weights < 0.9


def test_clips_are_counted_in_tokens():
    plan = plan_of_preset("tiny", False, (17, 64, 96), 100, STEPS)
    assert plan.clip_tokens == 5 * 4 * 6
    assert plan.pack_tokens == 120  # a pack holds at least one clip


def kept_for_backward(config, clips, words, precision, recompute):
    """Bytes that PyTorch keeps in a forward pass, without the weights and their copies in bfloat16."""
    torch.manual_seed(0)
    model = DiffusionTransformer(config)
    model.recompute = recompute
    shapes = (Shape(5, 4, 4),) * clips
    packed = pack(
        [torch.randn(80, config.num_inputs) for _ in shapes], [positions(shape, 0.5) for shape in shapes], shapes
    )
    level = torch.rand(clips).repeat_interleave(80)
    text = torch.randn(clips * words, config.text_width)
    found = {}

    def keep(tensor):
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        model(packed, level, text, (words,) * clips)
    return sum(found.values())


def predicted(config, precision, recompute=0):
    """Of a pack of 640 tokens."""
    kept = precision == "bf16"
    plan = replace(PLAN, config=config, pack_tokens=640, precision=precision, recompute=recompute, scores_kept=kept)
    return activation_bytes(plan)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize(("width", "depth"), [(128, 2), (256, 4)])
def test_what_a_pack_keeps_is_predicted_within_a_tenth(precision, width, depth):
    """Against what PyTorch keeps of 12 clips, less that of 4: weights and their copies cancel."""
    config = TransformerConfig(width=width, head_width=64, depth=depth)
    many, few = (kept_for_backward(config, clips, 10, precision, 0) for clips in (12, 4))
    assert predicted(config, precision) == pytest.approx(many - few, rel=0.1)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_block_that_is_computed_again_keeps_its_input_alone(precision):
    config = TransformerConfig(width=256, head_width=64, depth=4)
    saved = [[kept_for_backward(config, clips, 10, precision, again) for clips in (12, 4)] for again in (1, 3)]
    (many, few), (many_again, few_again) = saved
    less = predicted(config, precision, 1) - predicted(config, precision, 3)
    assert less == pytest.approx((many - few) - (many_again - few_again), rel=0.1)
    assert predicted(config, precision, 1) == predicted(config, precision) + 640 * 256 * (
        2 if precision == "bf16" else 4
    )
    assert predicted(config, precision, 9) == predicted(config, precision, 4)


def test_memory_is_what_each_weight_takes_and_devices_share_it():
    alone = memory_bytes(replace(PLAN, precision="fp32"), 5e8)
    assert {name: alone[name] for name in ("weights", "gradients", "moments", "average", "copies in bf16")} == {
        "weights": 4e6,
        "gradients": 8e6,  # one of the pack, one of the step
        "moments": 8e6,
        "average": 4e6,
        "copies in bf16": 0,
    }
    assert alone["program"] == 5e8
    adapter = memory_bytes(replace(PLAN, learned=10_000), 0)
    assert (adapter["weights"], adapter["moments"], adapter["copies in bf16"]) == (4e6, 8e4, 2e6)
    shared = memory_bytes(PLAN, 0, devices=8)
    assert (shared["weights"], shared["moments"], shared["average"]) == (5e5, 1e6, 5e5)
    assert shared["activations"] == memory_bytes(PLAN, 0)["activations"] > 0


def test_speed_is_the_peak_over_the_arithmetic():
    assert flops_per_token(PLAN) == 6e6 + 12 * 4 * 128 * 90
    speed = tokens_per_second(PLAN, MACHINE)
    assert speed == pytest.approx(0.5e12 / flops_per_token(PLAN))
    assert tokens_per_second(PLAN, MACHINE, devices=4) == pytest.approx(4 * speed)
    assert tokens_per_second(replace(PLAN, recompute=4), MACHINE) == pytest.approx(speed * 3 / 4)
    assert [tokens_per_step(PLAN, devices) for devices in (1, 4, 64)] == [1280, 1280, 64 * 320]


def test_a_task_is_planned_as_it_is_and_its_arithmetic_counted_as_it_counts_it(tmp_path):
    task = tiny_runs.transformer_task(tmp_path)
    plan = plan_of_task(task, STEPS, on_cpu=True)
    assert (plan.weights, plan.learned) == count_weights(task.module)
    assert plan.clip_tokens == sum(shape.volume for shape in task.shapes) / len(task.shapes)
    assert plan.pack_tokens == 16
    task.module["text"].requires_grad_(False)
    assert plan_of_task(task, STEPS, on_cpu=True).learned == count_weights(task.denoiser)[0]
    even = replace(plan, clip_tokens=8, words=4)
    ours, theirs = flops_per_token(even) * 16, task._flops((8, 8), (4, 4))
    assert ours == pytest.approx(theirs, rel=0.3)  # it counts words apart, which are many beside such clips


def test_three_steps_are_measured_and_nothing_is_left(tmp_path, monkeypatch):
    task = tiny_runs.transformer_task(tmp_path / "data")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("patchworld.train.loop.matmul_peak", lambda dtype: 1e9)
    task.evaluate = task.export = None  # neither judged nor written
    measured = measure(task, STEPS)
    assert measured.weights == count_weights(task.module)[0]
    assert measured.tokens_per_second > 1
    assert measured.memory > 5e7
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_report_says_what_fits_and_how_long_it_takes():
    text = report(PLAN, replace(MACHINE, memory=9e9), STEPS, None)
    seconds = 1000 * 1280 / tokens_per_second(PLAN, MACHINE)
    assert f"{duration(seconds)}\n" in text
    assert "does not fit" not in text
    assert "does not fit into 1.0 GB" in report(PLAN, MACHINE, STEPS, None)
    timed = report(PLAN, DEVICES["h100"], TrainConfig(minutes=1), None, devices=8)
    assert "8 x h100" in timed
    assert "1 minutes, by prediction" in timed


def test_numbers_are_told_as_people_tell_them():
    assert [size(number) for number in (5e6, 1.5e9, 2e12)] == ["5 MB", "1.5 GB", "2,000.0 GB"]
    assert [duration(number) for number in (90, 600, 7200, 1e6)] == [
        "90 seconds",
        "10.0 minutes",
        "2.0 hours",
        "11.6 days",
    ]
