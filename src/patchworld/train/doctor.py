"""What a run will need, told before it starts, beside what its first three steps show.

Predictions are sums and products of sizes, so that they hold for machines that are not here. Known are the weights, to
the last one, and the memory that they and their learning take; what a pack leaves behind for the backward pass follows
from the blocks (`activation_bytes`). Speed is the arithmetic over the part of a machine's peak that is usually reached.
Patterns of its sizes stand for data that is not there yet. Of the autoencoder, which is small, one crop is computed.
"""

import json
import math
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from patchworld.diffusion import DDPM, RectifiedFlow
from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.errors import InputError
from patchworld.model import keep_few_products
from patchworld.playroom import captions
from patchworld.playroom.draw import draw_scene
from patchworld.shapes import Grid, Shape
from patchworld.text import BuiltinTextEncoder, TextConfig, train_tokenizer
from patchworld.train.autoencoder import AutoencoderTask
from patchworld.train.config import TrainConfig
from patchworld.train.fine_tune import freeze
from patchworld.train.loop import Loss, Task, matmul_peak, resident_bytes, train
from patchworld.train.optimizer import is_hidden_matrix
from patchworld.train.transformer import MOST_CHANNELS, NEW, PACKS_PER_STEP, VOCABULARY, TransformerTask
from patchworld.vae.autoencoder import SPACE, TIME
from patchworld.video import Clip

# Numbers that a block keeps for each token, in widths: inputs and outputs of two norms (4) and their modulation (2);
# queries, keys and values before (3) and after (3) norm and rotation; what attention gives (1); what both branches add
# (2); the perceptron inside (8); statistics of norms.
KEPT = 23.5
KEPT_ON_GPU = 32.0  # in bfloat16, where norms are computed in float32; expected, not measured
MOVED = 0.99  # float32 numbers that `patchworld.motion` keeps for each pixel value of a token
COMPILED = 1e8  # bytes: as many products as `model.keep_few_products` keeps, and what else oneDNN has made
GAPS = 0.55  # that the C allocator leaves, over what comes and goes; both measured with presets small and base
MEASURED_STEPS = 3
WORDS = 12  # of a caption, where none is known
MADE_UP = 64  # clips that stand for data that is not there

Clips = Mapping[Shape, float]  # of pixels, and how many there are of each


@dataclass(frozen=True)
class Device:
    """One device of a machine, by its data sheet or as measured."""

    name: str
    flops: float  # FLOP/s of dense bfloat16 matrix products
    memory: float  # bytes
    reached: float = 0.4  # part of the peak that training usually reaches
    program: float = 1e9  # bytes that are taken before there is a model


# Data sheets of the makers; dense bfloat16, without sparsity.
DEVICES = {
    device.name: device
    for device in (
        Device("rtx3090", 71e12, 24e9),
        Device("rtx4090", 165e12, 24e9),
        Device("l40s", 362e12, 48e9),
        Device("a100", 312e12, 80e9),
        Device("h100", 989e12, 80e9),
        Device("h200", 989e12, 141e9),
        Device("b200", 2250e12, 180e9),
    )
}


@dataclass(frozen=True)
class Plan:
    """A run, as far as its needs depend on it."""

    config: TransformerConfig
    weights: int  # of denoiser and text encoder
    learned: int  # weights among them
    by_muon: int  # learned weights with one moment instead of two
    in_blocks: int  # weights inside the blocks
    clip_tokens: float  # of a clip, and of its caption; both are means
    words: float
    pack_tokens: int
    packs: int = PACKS_PER_STEP
    packs_at_once: int = 1  # on one device
    precision: str = "bf16"
    recompute: int = 0  # blocks that are computed twice
    on_cpu: bool = False


@dataclass(frozen=True)
class Needs:
    """What a run needs of a machine."""

    weights: int
    step_tokens: int  # video tokens, or voxels of latents
    tokens_per_second: float
    memory: dict[str, float]  # bytes on one device, by what holds them
    work: str  # what a step is, in words
    remedy: str  # where memory does not suffice


def count_weights(module: nn.Module) -> tuple[int, int]:
    """All weights, and those that learn."""
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, learns in sizes if learns)


def count_muon(module: nn.Module, config: TrainConfig) -> int:
    """Weights that Muon will move."""
    learning = [(name, p) for name, p in module.named_parameters() if p.requires_grad and config.optimizer == "muon"]
    return sum(p.numel() for name, p in learning if is_hidden_matrix(name, p))


def activation_bytes(plan: Plan) -> float:
    """What the forward pass of one pack keeps for the backward pass."""
    config, number = plan.config, 2 if plan.precision == "bf16" else 4
    words = plan.words / plan.clip_tokens  # for each token
    kept = KEPT if plan.on_cpu or plan.precision == "fp32" else KEPT_ON_GPU
    block = config.width * (kept + 2 * words)
    if plan.on_cpu and plan.precision == "bf16":  # attention keeps its scores
        block += config.width // config.head_width * (plan.clip_tokens + plan.words)
    remembered = min(plan.recompute, config.depth)
    whole = config.depth - remembered + (remembered > 0)  # one at a time is computed again
    ends = 5 * config.width + 2 * config.num_inputs + 4 * (config.num_outputs + 2 * config.recall + config.num_motion)
    pixels = 3 * TIME * SPACE**2 * config.grid.num_values(1) if config.motion else 0
    in_blocks = whole * block + remembered * config.width
    return plan.pack_tokens * (number * (in_blocks + ends) + 4 * MOVED * pixels)


def memory_bytes(plan: Plan, program: float, devices: int = 1) -> dict[str, float]:
    """Of one device, by what holds it. Weights, gradients, moments and average are float32 and shared by the devices;
    packs and the weights that they are computed with belong to each.
    """
    half, mine = plan.precision == "bf16", 4 * plan.learned / devices
    if devices == 1:
        passing = {
            "gradients": mine * (1 + plan.packs_at_once),  # of each pack, until it is added
            "copies in bf16": 2.0 * plan.weights * plan.packs_at_once if half else 0.0,
        }
    else:
        # Weights that are shared are gathered block by block, the next one while this one computes, and the gradient of
        # a block is whole, in two precisions, until it is divided; what is outside of the blocks is float32.
        block, rest = plan.in_blocks / plan.config.depth, plan.weights - plan.in_blocks
        passing = {"gradients": mine, "gathered": (10.0 if half else 16.0) * block + 8.0 * rest}
    passing["activations"] = activation_bytes(plan) * plan.packs_at_once
    return {
        "weights": 4 * plan.weights / devices,
        "moments": (8.0 * plan.learned - 4.0 * plan.by_muon) / devices,
        "average": 4 * plan.weights / devices,
        **passing,
        **(_of_cpu(passing) if plan.on_cpu else {}),
        "program": program,
    }


def _of_cpu(passing: Mapping[str, float]) -> dict[str, float]:
    """What a CPU needs beside what is asked for: `passing` comes and goes with each pack."""
    return {"compiled products": COMPILED, "gaps": GAPS * sum(passing.values())}


def flops_per_token(plan: Plan) -> float:
    """Of training: as TransformerTask counts, 6 for each weight and 12 for each query, key and channel."""
    pairs = plan.clip_tokens + plan.words
    return 6.0 * plan.weights + 12.0 * plan.config.depth * plan.config.width * pairs


def tokens_per_second(plan: Plan, device: Device, devices: int = 1) -> float:
    """Of all devices together, as if they did not wait for each other."""
    again = 1 + min(plan.recompute, plan.config.depth) / plan.config.depth / 3  # a forward pass is a third of the work
    return devices * device.flops * device.reached / (flops_per_token(plan) * again)


def tokens_per_step(plan: Plan, devices: int = 1) -> int:
    """One pack at least for each device."""
    return plan.pack_tokens * max(plan.packs, devices)


def this_machine(precision: str) -> Device:
    """The processor of this machine, its matrix peak measured."""
    keep_few_products()
    peak = matmul_peak(torch.bfloat16 if precision == "bf16" else torch.float32)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device("this processor", peak, memory, reached=0.5, program=resident_bytes())


def plan_of_preset(
    preset: str,
    ddpm: bool,
    clips: Clips,
    tokens: int,
    config: TrainConfig,
    recompute: int = 0,
    packs: int = PACKS_PER_STEP,
    frozen: Sequence[str] = (),
) -> Plan:
    """A run from scratch on `clips`, with the built-in text encoder and full vocabulary."""
    process = DDPM() if ddpm else RectifiedFlow()
    inputs = TransformerConfig(latent_channels=MOST_CHANNELS).num_inputs
    sizes = TransformerConfig(
        latent_channels=MOST_CHANNELS, num_outputs=process.num_outputs(inputs), **NEW, **PRESETS[preset]
    )
    volumes = [clip.divided(Grid(TIME, SPACE)).divided(sizes.grid).volume for clip in clips]
    tokenizer = train_tokenizer([])
    with torch.device("meta"):  # nothing is made
        text = BuiltinTextEncoder(TextConfig(vocab_size=tokenizer.vocab_size), tokenizer)
        denoiser = DiffusionTransformer(sizes)
    module = nn.ModuleDict({"denoiser": denoiser, "text": text})
    freeze(module, frozen)
    weights, learned = count_weights(module)
    words = (VOCABULARY - tokenizer.vocab_size) * text.width
    return Plan(
        sizes,
        weights + words,
        learned + ("text" not in frozen) * words,
        count_muon(module, config),
        count_weights(denoiser.blocks)[0],
        clip_tokens=sum(map(math.prod, zip(volumes, clips.values(), strict=True))) / sum(clips.values()),
        words=WORDS,
        pack_tokens=max(tokens, *volumes),
        packs=packs,
        precision=config.precision,
        recompute=recompute,
    )


def plan_of_task(task: TransformerTask, config: TrainConfig, on_cpu: bool) -> Plan:
    """The run of a task as it is."""
    weights, learned = count_weights(task.module)
    volumes = [shape.volume for shape in task.shapes]
    with torch.no_grad():
        lengths = task.text_encoder([sample.captions[0] for sample in task.samples]).lengths
    threads = min(config.threads or torch.get_num_threads(), task.packs_per_step)
    return Plan(
        task.denoiser.config,
        weights,
        learned,
        count_muon(task.module, config),
        count_weights(task.denoiser.blocks)[0],
        clip_tokens=sum(volumes) / len(volumes),
        words=sum(lengths) / len(lengths),
        pack_tokens=max(task.tokens_per_pack, *volumes),
        packs=task.packs_per_step,
        packs_at_once=threads if on_cpu else 1,
        precision=config.precision,
        recompute=task.denoiser.recompute,
        on_cpu=on_cpu,
    )


def made_up(clips: Clips, folder: Path) -> Path:
    """A data set in `folder`: patterns that move, `clips` in their proportions, with captions of the playroom."""
    ends = np.cumsum(list(clips.values()))
    places = np.searchsorted(ends, (np.arange(MADE_UP) + 0.5) / MADE_UP * ends[-1])
    rows = []
    for number, place in enumerate(places):
        shape, draw = list(clips)[place], np.random.default_rng(number)
        name = f"{number}.mp4" if shape.frames > 1 else f"{number}.png"
        tiles = draw.integers(256, size=(-(-shape.height // 16), -(-shape.width // 16), 3), dtype=np.uint8)
        still = tiles.repeat(16, 0).repeat(16, 1)[: shape.height, : shape.width]
        Clip(np.stack([np.roll(still, frame, 1) for frame in range(shape.frames)]), 8.0).save(folder / name)
        scene = draw_scene(0, number, 0, split="train", frames=17, size=(64, 64), event=None, camera=None, cut=None)
        rows.append({"video": name, "captions": [caption.text for caption in captions(scene)]})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@dataclass(frozen=True)
class Measured:
    """What the first steps of a run showed."""

    weights: int
    tokens_per_second: float
    memory: float  # bytes, the most that the process had


def measure(task: Task[Any], config: TrainConfig) -> Measured:
    """Train for three steps, in a folder that is thrown away, by the loop that a run is trained by."""
    short = TrainConfig(**{**config.model_dump(), "minutes": None, "steps": MEASURED_STEPS, "sample_first": False})
    with tempfile.TemporaryDirectory() as folder, _most_memory() as most:
        train(_Unjudged(task), short, Path(folder))
        rows = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    speeds = [row["tokens_per_second"] for row in rows if "tokens_per_second" in row]
    if len(speeds) < MEASURED_STEPS:
        raise InputError("three steps were not learned from: see what was said of them, and the samples they name")
    return Measured(count_weights(task.module)[0], median(speeds[1:]), most[0])  # the first step is slower


def needs_of_plan(plan: Plan, device: Device, devices: int = 1) -> Needs:
    """Of the transformer."""
    step = tokens_per_step(plan, devices)
    return Needs(
        plan.weights,
        step,
        tokens_per_second(plan, device, devices),
        memory_bytes(plan, device.program, devices),
        f"{step:,} tokens, {step / plan.clip_tokens:,.0f} clips of {plan.clip_tokens:,.0f} tokens; "
        f"{flops_per_token(plan) / 1e9:,.2f} GFLOP a token",
        f"take more devices, fewer --tokens, or --recompute up to {plan.config.depth}",
    )


def needs_of_autoencoder(task: AutoencoderTask, config: TrainConfig, device: Device, devices: int, cpu: bool) -> Needs:
    """What the crops of one step keep and compute, for all. The weights are few, and counted as if none were shared."""
    weights, learned = count_weights(task.module)
    half = torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16")
    most, tokens, flops = 0.0, 0, 0.0
    for part in task.parts(0):
        kept: dict[int, float] = {}

        def keep(tensor: Tensor, kept: dict[int, float] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), half:
            loss = task.loss(part)
        most, tokens, flops = max(most, sum(kept.values())), tokens + loss.tokens, flops + loss.flops
    at_once = min(config.threads or torch.get_num_threads(), task.crops_per_step) if cpu else 1
    passing = {"gradients": 4.0 * learned * (1 + at_once), "activations": at_once * most}
    fixed = {"weights": 4.0 * weights, "moments": 8.0 * learned, "average": 4.0 * weights}
    memory = {**fixed, **passing, **(_of_cpu(passing) if cpu else {}), "program": device.program}
    speed = devices * device.flops * device.reached * tokens / flops
    work = f"{task.crops_per_step} crops, {tokens:,} voxels of latents, a token each; {flops / tokens / 1e9:,.2f} GFLOP"
    return Needs(weights, tokens, speed, memory, work, "take another machine")


def report(needs: Needs, device: Device, config: TrainConfig, measured: Measured | None, devices: int = 1) -> str:
    """Prediction and measurement, a line for each thing."""
    many = f"{devices} x {device.name}" if devices > 1 else device.name
    total = sum(needs.memory.values())
    rows = [
        (many, "predicted", f"measured in {MEASURED_STEPS} steps" if measured else ""),
        ("weights", f"{needs.weights:,}", f"{measured.weights:,}" if measured else ""),
        (
            "tokens a second",
            f"{needs.tokens_per_second:,.0f}",
            f"{measured.tokens_per_second:,.0f}" if measured else "",
        ),
        ("memory of a device", size(total), size(measured.memory) if measured else ""),
    ]
    for name, each in (
        ("prediction", needs.tokens_per_second),
        ("measurement", measured.tokens_per_second if measured else 0),
    ):
        if each and config.steps:
            rows.append((f"{config.steps:,} steps, by {name}", duration(config.steps * needs.step_tokens / each), ""))
        elif each and config.minutes:
            steps = config.minutes * 60 * each / needs.step_tokens
            rows.append((f"{config.minutes:g} minutes, by {name}", f"{steps:,.0f} steps", ""))
    lines = [f"{name:34}{first:>16}{second:>24}".rstrip() for name, first, second in rows]
    lines.append(f"memory: {', '.join(f'{name} {size(part)}' for name, part in needs.memory.items())}")
    lines.append(
        f"a step: {needs.work}; speed for {100 * device.reached:.0f} % of a peak of {device.flops / 1e12:,.2f} TFLOP/s"
    )
    if total > device.memory:
        lines.append(f"does not fit into {size(device.memory)}: {needs.remedy}")
    return "\n".join(lines)


def seconds_needed(needs: Needs, config: TrainConfig, measured: Measured | None) -> float:
    """Of a run: its budget in minutes, or its steps at the speed that was measured or is predicted."""
    speed = measured.tokens_per_second if measured else needs.tokens_per_second
    return config.steps * needs.step_tokens / speed if config.steps else 60 * (config.minutes or 0.0)


def size(number: float) -> str:
    """Bytes, for people."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def duration(seconds: float) -> str:
    """Time, for people."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"


class _Unjudged:
    """A task that is neither judged nor written."""

    def __init__(self, task: Task[Any]) -> None:
        self.task = task

    @property
    def module(self) -> nn.Module:
        return self.task.module

    def parts(self, step: int) -> Sequence[Any]:
        return self.task.parts(step)

    def loss(self, part: Any) -> Loss:
        return self.task.loss(part)

    def names(self, part: Any) -> Sequence[str]:
        return self.task.names(part)

    def begin_stage(self, stage: Any, step: int) -> None:
        self.task.begin_stage(stage, step)  # type: ignore[attr-defined]  # only asked of a task that learns in stages

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        return {}

    def export(self, folder: Path) -> None:
        pass


@contextmanager
def _most_memory() -> Iterator[list[float]]:
    """The most memory that the process has inside the context, looked at a hundred times a second."""
    most, over = [float(resident_bytes())], threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            most[0] = max(most[0], float(resident_bytes()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()
