import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_runs
import torch

from patchworld.data import read_dataset
from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.motion import SAYS, follow, motion_loss
from patchworld.patches import pack, positions
from patchworld.shapes import Shape
from patchworld.train import TrainConfig
from patchworld.train.doctor import (
    COMPILED,
    DEVICES,
    GAPS,
    Device,
    Measured,
    Plan,
    activation_bytes,
    count_weights,
    duration,
    flops_per_token,
    made_up,
    measure,
    memory_bytes,
    needs_of_autoencoder,
    needs_of_plan,
    plan_of_preset,
    plan_of_task,
    report,
    seconds_needed,
    size,
    tokens_per_second,
    tokens_per_step,
)
from patchworld.vae import Autoencoder, AutoencoderConfig
from patchworld.video import read

CLIP = {Shape(17, 64, 64): 1}
STEPS = TrainConfig(steps=1000, precision="fp32", threads=1)
SIZES = TransformerConfig(width=128, head_width=64, depth=4)
PLAN = Plan(
    SIZES, weights=1_000_000, learned=1_000_000, by_muon=0, in_blocks=800_000, clip_tokens=80, words=10, pack_tokens=320
)
MACHINE = Device("machine", flops=1e12, memory=1e9, reached=0.5)


@pytest.mark.parametrize(("preset", "billions"), [("small", 0.0110), ("1b", 1.07), ("7b", 7.07)])
def test_presets_have_the_weights_that_are_said_of_them(preset, billions):
    assert plan_of_preset(preset, False, CLIP, 1280, STEPS).weights == pytest.approx(billions * 1e9, rel=0.02)


def test_muon_keeps_one_moment_of_its_matrices():
    both, one = (memory_bytes(replace(PLAN, by_muon=number), 0)["moments"] for number in (0, 400_000))
    assert (both, one) == (8e6, 6.4e6)
    by_adamw = plan_of_preset("small", False, CLIP, 1280, TrainConfig(steps=1, optimizer="adamw"))
    by_muon = plan_of_preset("small", False, CLIP, 1280, STEPS)
    assert by_adamw.by_muon == 0
    assert 0.7 < by_muon.by_muon / by_muon.weights < 0.9


def test_clips_are_counted_in_tokens():
    plan = plan_of_preset("tiny", False, {Shape(17, 96, 64): 3, Shape(1, 64, 64): 1}, 100, STEPS, packs=2)
    assert plan.clip_tokens == (3 * 5 * 6 * 4 + 4 * 4) / 4
    assert plan.pack_tokens == 120  # a pack holds at least one clip
    assert tokens_per_step(plan) == 240


def test_frozen_parts_are_counted_and_do_not_learn():
    whole = plan_of_preset("small", False, CLIP, 1280, STEPS)
    frozen = plan_of_preset("small", False, CLIP, 1280, STEPS, frozen=("text",))
    assert frozen.weights == whole.weights == whole.learned
    assert frozen.learned == count_weights(DiffusionTransformer(frozen.config))[0]


@contextlib.contextmanager
def kept(precision):
    """What PyTorch keeps for the way back inside the context: bytes by address."""
    found = {}

    def keep(tensor):
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        yield found


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
    with kept(precision) as found:
        model(packed, level, text, (words,) * clips)
    return sum(found.values())


def predicted(config, precision, recompute=0):
    """Of a pack of 640 tokens."""
    plan = replace(PLAN, config=config, pack_tokens=640, precision=precision, recompute=recompute, on_cpu=True)
    return activation_bytes(plan)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize(("width", "depth"), [(128, 2), (256, 4)])
def test_what_a_pack_keeps_is_predicted_within_a_tenth(precision, width, depth):
    """Against what PyTorch keeps of 12 clips, less that of 4: weights and their copies cancel."""
    config = TransformerConfig(width=width, head_width=64, depth=depth)
    many, few = (kept_for_backward(config, clips, 10, precision, 0) for clips in (12, 4))
    assert predicted(config, precision) == pytest.approx(many - few, rel=0.1)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_what_motion_keeps_is_predicted_within_a_tenth(precision):
    still, moving = (TransformerConfig(latent_channels=64, num_outputs=256, motion=number) for number in (0, SAYS))
    shape = Shape(5, 4, 4)
    tokens = torch.randn(80, moving.num_inputs)
    packed = pack([tokens], [positions(shape, 0.5)], [shape])
    autoencoder = Autoencoder(AutoencoderConfig()).requires_grad_(False)
    own, said = (torch.randn(80, values, requires_grad=True) for values in (moving.num_inputs, moving.num_motion))
    with kept(precision) as found:
        carried = follow(own, said, packed, torch.rand(80), autoencoder, moving.grid)
        missed = motion_loss(tokens, said, packed, autoencoder, moving.grid)
    assert carried.requires_grad
    assert missed.requires_grad  # so that what they keep is there until here
    more = [
        activation_bytes(replace(PLAN, config=each, pack_tokens=80, precision=precision)) for each in (still, moving)
    ]
    said_itself = 4 * 80 * moving.num_motion * (2 if precision == "bf16" else 4)
    assert more[1] - more[0] - said_itself == pytest.approx(sum(found.values()), rel=0.1)


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
    cpu = memory_bytes(replace(PLAN, precision="fp32", on_cpu=True), 5e8)
    assert cpu["gaps"] == GAPS * (8e6 + alone["activations"])
    assert sum(cpu.values()) == sum(alone.values()) + cpu["gaps"] + COMPILED
    adapter = memory_bytes(replace(PLAN, learned=10_000), 0)
    assert (adapter["weights"], adapter["moments"], adapter["copies in bf16"]) == (4e6, 8e4, 2e6)
    shared = memory_bytes(PLAN, 0, devices=8)
    assert (shared["weights"], shared["moments"], shared["average"]) == (5e5, 1e6, 5e5)
    assert shared["gathered"] == 10 * 200_000 + 8 * 200_000  # of four blocks one, and what is outside
    assert shared["activations"] == memory_bytes(PLAN, 0)["activations"] > 0


def table_of_presets():
    """The rows of the table of memory in docs/cluster.md."""

    def told(number):
        return f"{number / 1e9:.2f}" if number < 9.995e9 else f"{number / 1e9:,.0f}"

    for name in PRESETS:
        plan = plan_of_preset(name, False, CLIP, 1280, STEPS.model_copy(update={"precision": "bf16"}))
        long = replace(plan, pack_tokens=32768)
        again = replace(long, recompute=plan.config.depth)
        heads = plan.config.width // plan.config.head_width
        shared = memory_bytes(plan, 0, 8)
        cells = [8 * sum(shared[part] for part in ("weights", "gradients", "moments", "average"))]
        cells += [sum(memory_bytes(each, 0, n).values()) for each, n in ((plan, 1), (plan, 8), (long, 8), (again, 8))]
        if heads % 8 == 0:
            cells.append(sum(memory_bytes(replace(again, pack_tokens=32768 // 8), 0, 8).values()))
        size = f"{plan.weights / 1e9:.3g} B" if plan.weights > 1e9 else f"{plan.weights / 1e6:.3g} M"
        yield "| " + " | ".join([name, size, *map(told, cells), *["-"] * (6 - len(cells))]) + " |"


def test_the_table_of_memory_in_the_docs_is_what_the_functions_say():
    assert "\n".join(table_of_presets()) in (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()


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


def test_an_autoencoder_is_told_of_from_the_crops_of_a_step(tmp_path):
    task = tiny_runs.autoencoder_task(tmp_path)
    needs = needs_of_autoencoder(task, STEPS, MACHINE, 2, cpu=True)
    losses = [task.loss(part) for part in task.parts(0)]
    assert (needs.weights, needs.step_tokens) == (count_weights(task.module)[0], sum(loss.tokens for loss in losses))
    seconds = sum(loss.flops for loss in losses) / (2 * MACHINE.flops * MACHINE.reached)
    assert needs.tokens_per_second == pytest.approx(needs.step_tokens / seconds)
    learned = sum(p.numel() for p in task.module.decoder.parameters())
    assert needs.memory["moments"] == 8 * learned
    assert needs.memory["gradients"] == 2 * 4 * learned  # one thread
    assert needs.memory["activations"] > 0


def test_clips_are_made_up_in_their_sizes_and_proportions(tmp_path):
    clips = {Shape(5, 24, 40): 300, Shape(1, 16, 16): 100}
    samples = read_dataset(made_up(clips, tmp_path))
    shapes = [Shape(*read(sample.path).frames.shape[:3]) for sample in samples]
    assert [shapes.count(shape) for shape in clips] == [48, 16]
    assert len({sample.captions for sample in samples}) > 40
    assert samples[0].captions[0].isascii()
    assert not samples[0].captions[-1].isascii()  # in Chinese too, as those of the playroom


def test_a_report_says_what_fits_and_how_long_it_takes():
    needs = needs_of_plan(PLAN, MACHINE)
    text = report(needs, replace(MACHINE, memory=9e9), STEPS, None)
    seconds = 1000 * 1280 / tokens_per_second(PLAN, MACHINE)
    assert seconds_needed(needs, STEPS, None) == pytest.approx(seconds)
    assert f"{duration(seconds)}\n" in text
    assert "does not fit" not in text
    assert "does not fit into 1.0 GB" in report(needs, MACHINE, STEPS, None)
    minute = TrainConfig(minutes=1)
    timed = report(needs_of_plan(PLAN, DEVICES["h100"], 8), DEVICES["h100"], minute, None, devices=8)
    assert "8 x h100" in timed
    assert "1 minutes, by prediction" in timed
    slow = Measured(weights=1, tokens_per_second=needs.tokens_per_second / 2, memory=1e6)
    assert seconds_needed(needs, STEPS, slow) == pytest.approx(2 * seconds)
    assert seconds_needed(needs, minute, slow) == 60


def test_numbers_are_told_as_people_tell_them():
    assert [size(number) for number in (5e6, 1.5e9, 2e12)] == ["5 MB", "1.5 GB", "2,000.0 GB"]
    assert [duration(number) for number in (90, 600, 7200, 1e6)] == [
        "90 seconds",
        "10.0 minutes",
        "2.0 hours",
        "11.6 days",
    ]
