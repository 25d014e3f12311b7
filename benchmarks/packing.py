"""What is packing worth? Useful tokens a second of training, against batches that pad and against batches of one shape.

    OMP_NUM_THREADS=1 python benchmarks/packing.py --preset small --mix playroom [--out FILE]

The same clips are learned from by every strategy, forward and backward, with the same kernels, in bfloat16 on one
thread. Time is that of the process, in rounds that take turns; ratios are medians over the rounds. What it does not
count: reading, the text encoder and the optimizer, which are the same for all.

    tensors, random      as many clips a batch as fill the packs on average, padded to the batch's most frames, rows and
                         columns, as videos of several sizes become one tensor
    tensors, by length   the same, of clips sorted by length
    padded random        tokens padded to the batch's longest sequence: packing in space and time, padding in tokens
    padded by length     the same, of clips sorted by length
    one shape            buckets: batches of clips of equal shape, as many as fit the tokens of a pack
    one at a time
    packed               as in training

Pads run through all layers; the rows of attention have the padded length, whose mask is left out, in favour of padding.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.patches import Pack, pack, patchify, positions
from patchworld.playroom.dataset import DEFAULT_MIX
from patchworld.shapes import Grid, Shape, pixel_shape
from patchworld.train.conditions import draw_cap
from patchworld.train.order import generator, packs_of_epoch
from patchworld.train.transformer import TOKENS_PER_PACK

WARM_UPS = 2
FEWEST_WORDS, MOST_WORDS = 9, 36  # nine of ten captions of the playroom are between


@dataclass(frozen=True)
class Clip:
    """A clip to learn from: its latent, the words of its caption and the noise level of each token."""

    shape: Shape  # in tokens
    latent: Tensor
    words: Tensor
    level: Tensor


Batch = list[Clip]


def playroom_mix(num: int) -> list[Shape]:
    """About `num` clips of the bundled mix, each size as often as its weight says: exactly so for 100."""
    return [
        pixel_shape(share.num_frames, (share.width, share.height)).divided(Grid(4, 16))
        for share in DEFAULT_MIX
        for _ in range(round(num * share.weight))
    ]


def wide_mix(num: int) -> list[Shape]:
    """Clips as a folder of any videos has them: images to 65 frames, 64 to 128 pixels a side, few alike."""
    draw = generator(0)
    sizes = torch.randint(4, 9, (num, 2), generator=draw).tolist()
    kinds = torch.randint(0, 5, (num,), generator=draw).tolist()
    return [Shape((1, 3, 5, 9, 17)[kind], *size) for kind, size in zip(kinds, sizes, strict=True)]


def make_clips(shapes: list[Shape], config: TransformerConfig) -> list[Clip]:
    clips = []
    for number, shape in enumerate(shapes):
        draw = generator(1, number)
        latent = torch.randn(config.latent_channels, *shape.multiplied(config.grid), generator=draw)
        words = int(torch.randint(FEWEST_WORDS, MOST_WORDS + 1, (), generator=draw))
        level = torch.minimum(draw_cap(shape, draw), torch.rand((), generator=draw))
        clips.append(Clip(shape, latent, torch.randn(words, config.text_width, generator=draw), level))
    return clips


def learn(model: DiffusionTransformer, clips: Batch, length: int = 0) -> None:
    """Forward and backward on one batch; each clip is padded to `length` tokens, or not."""
    tokens, places, levels, real, shapes = [], [], [], [], []
    for clip in clips:
        over = max(0, length - clip.shape.volume)
        tokens.append(F.pad(patchify(clip.latent, model.config.grid), (0, 0, 0, over)))
        places.append(F.pad(positions(clip.shape, 0.5), (0, 0, 0, over)))
        levels.append(F.pad(clip.level, (0, over)))
        real.append(torch.arange(clip.shape.volume + over) < clip.shape.volume)
        shapes.append(Shape(1, 1, length) if length else clip.shape)
    packed: Pack = pack(tokens, places, shapes)
    text = torch.cat([clip.words for clip in clips])
    with torch.autocast("cpu", torch.bfloat16):
        out = model(packed, torch.cat(levels), text, tuple(len(clip.words) for clip in clips))
    loss = (out - packed.tokens).square().mean(1)
    (loss if not length else loss[torch.cat(real)]).mean().backward()
    model.zero_grad(set_to_none=True)


def in_batches(clips: list[Clip], size: int) -> list[Batch]:
    return [clips[start : start + size] for start in range(0, len(clips), size)]


def buckets(clips: list[Clip], budget: int) -> list[Batch]:
    """Batches of one shape, as many clips as the budget of tokens holds."""
    by_shape: dict[Shape, Batch] = {}
    for clip in clips:
        by_shape.setdefault(clip.shape, []).append(clip)
    return [batch for shape, group in by_shape.items() for batch in in_batches(group, max(1, budget // shape.volume))]


def packs(clips: list[Clip], budget: int) -> list[Batch]:
    lengths = {number: clip.shape.volume for number, clip in enumerate(clips)}
    return [[clips[number] for number in numbers] for numbers in packs_of_epoch(lengths, budget, generator(2))]


def volume(batch: Batch) -> int:
    return sum(clip.shape.volume for clip in batch)


def not_padded(batch: Batch) -> int:
    return 0


def longest(batch: Batch) -> int:
    """Tokens of the longest clip."""
    return max(clip.shape.volume for clip in batch)


def as_tensor(batch: Batch) -> int:
    """Tokens of a clip with the batch's most frames, rows and columns."""
    frames, rows, columns = (max(sizes) for sizes in zip(*(clip.shape for clip in batch), strict=True))
    return frames * rows * columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("small", "base"), default="small")
    parser.add_argument("--mix", choices=("playroom", "wide"), default="playroom")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="append the table to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TransformerConfig(**PRESETS[options.preset])
    model = DiffusionTransformer(config)
    for parameter in model.parameters():  # zeros would be quicker than weights
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    clips = make_clips({"playroom": playroom_mix, "wide": wide_mix}[options.mix](options.clips), config)
    useful = volume(clips)
    shuffled = [clips[n] for n in torch.randperm(len(clips), generator=generator(3)).tolist()]
    budget = max(TOKENS_PER_PACK, max(clip.shape.volume for clip in clips))
    size = round(budget * len(clips) / useful)
    by_length = sorted(shuffled, key=lambda clip: clip.shape.volume)
    strategies = {
        "tensors, random": (in_batches(shuffled, size), as_tensor),
        "tensors, by length": (in_batches(by_length, size), as_tensor),
        "padded random": (in_batches(shuffled, size), longest),
        "padded by length": (in_batches(by_length, size), longest),
        "one shape": (buckets(shuffled, budget), not_padded),
        "one at a time": (in_batches(shuffled, 1), not_padded),
        "packed": (packs(clips, budget), not_padded),
    }

    def run(batches: list[Batch], padding: Callable[[Batch], int]) -> float:
        started = time.process_time()
        for batch in batches:
            learn(model, batch, padding(batch))
        return time.process_time() - started

    seconds: dict[str, list[float]] = {name: [] for name in strategies}
    peaks = []
    for round_number in range(WARM_UPS + options.rounds):
        peaks.append(peak())
        for name, strategy in strategies.items():
            took = run(*strategy)
            if round_number >= WARM_UPS:
                seconds[name].append(took)
    lines = [
        f"## {options.preset}, {options.mix} mix",
        "",
        f"{len(clips)} clips of {useful} tokens, packs of {budget}, padded batches of {size} clips, {options.rounds} "
        f"rounds, torch {torch.__version__}, {platform.machine()}, matrix peak of one thread "
        f"{statistics.median(peaks) / 1e9:.0f} ({min(peaks) / 1e9:.0f} to {max(peaks) / 1e9:.0f}) GFLOP/s",
        "",
        "| strategy | batches | tokens computed over useful | useful tokens/s | packed is faster by |",
        "|---|---|---|---|---|",
    ]
    for name, (batches, padding) in strategies.items():
        computed = sum(max(len(batch) * padding(batch), volume(batch)) for batch in batches) / useful
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["packed"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        speed = useful / statistics.median(seconds[name])
        lines.append(f"| {name} | {len(batches)} | {computed:.2f} | {speed:.0f} | {spread} |")
    fill = useful / (budget * len(strategies["packed"][0]))
    lines += ["", f"Of the packs {100 * fill:.1f} % is filled.", ""]
    print("\n".join(lines))
    if options.out:
        with options.out.open("a") as file:
            file.write("\n".join(lines) + "\n")


def peak() -> float:
    """FLOP/s of a bfloat16 matrix product in process time."""
    a, b = torch.randn(1024, 1024).bfloat16(), torch.randn(1024, 1024).bfloat16()
    torch.mm(a, b)
    started = time.process_time()
    for _ in range(10):
        torch.mm(a, b)
    return 10 * 2 * 1024**3 / (time.process_time() - started)


if __name__ == "__main__":
    main()
