"""What part of the machine's bf16 matrix peak does a training step of the transformer reach, by width of its heads?

    python benchmarks/train_step.py [--preset base] [--out FILE]

A step is forward, backward, clipping, AdamW and the average of the weights, on a pack of 4 clips of 512 tokens with
short prompts. Only useful work counts: 6 operations for each weight and token that meet (words meet the weights for
words, runs of equal tokens those of the modulation), 12 for each query, key of the same clip and channel.
"""

import argparse
from pathlib import Path

import torch
from measure import in_turn, machine, matrix_peak, publish
from torch import nn

from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.patches import Pack, pack, positions
from patchworld.shapes import Shape
from patchworld.train.loop import update_average

SHAPES, WORDS = (Shape(8, 8, 8),) * 4, (12, 9, 15, 11)
HEAD_WIDTHS = (32, 64, 128, 192)


class Step:
    """A transformer in training; calling it does one step."""

    def __init__(self, config: TransformerConfig) -> None:
        draw = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        self.model = DiffusionTransformer(config)
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, 1e-4, fused=True)
        self.average = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        tokens = [torch.randn(shape.volume, config.num_inputs, generator=draw) for shape in SHAPES]
        self.pack: Pack = pack(tokens, [positions(shape, 0.25) for shape in SHAPES], SHAPES)
        self.level = torch.repeat_interleave(torch.rand(len(SHAPES), generator=draw), torch.tensor(self.pack.lengths))
        self.text = torch.randn(sum(WORDS), config.text_width, generator=draw)
        self.target = torch.randn(sum(self.pack.lengths), config.num_outputs, generator=draw)

    def __call__(self) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            prediction = self.model(self.pack, self.level, self.text, WORDS)
        (prediction - self.target).square().mean().backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        update_average(self.average, self.model, 0.999)

    def useful_flops(self) -> float:
        model, config = self.model, self.model.config
        text = sum(block.text_kv.weight.numel() for block in model.blocks)
        by_run = [model.modulation, model.final_modulation, model.embed_level, model.embed_prompt]
        run = sum(p.numel() for part in by_run for p in part.parameters())
        run += sum(block.modulation.numel() for block in model.blocks)
        token = sum(p.numel() for p in self.parameters) - text - run
        tokens, runs = sum(self.pack.lengths), len(self.pack.frame_lengths)
        pairs = sum(n * (n + m) for n, m in zip(self.pack.lengths, WORDS, strict=True))
        weights = tokens * token + runs * run + sum(WORDS) * text
        return 6.0 * weights + 12.0 * config.depth * config.width * pairs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="base")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    steps = {
        str(width): Step(TransformerConfig(**{**PRESETS[args.preset], "head_width": width})) for width in HEAD_WIDTHS
    }
    default = steps["128"].model.config
    before = matrix_peak()
    seconds = in_turn(dict(steps))
    after = matrix_peak()
    peak = max(before, after)
    lines = [
        "# benchmarks/train_step.py",
        "",
        machine() + f". Preset {args.preset}: width {default.width}, {default.depth} layers. bf16 matrix peak "
        f"{before / 1e9:.0f} GFLOP/s before, {after / 1e9:.0f} after. bf16 autocast, eager.",
        "",
        "| head width | parameters | step, ms | tokens/s | of the peak | time to that of 128 |",
        "|---|---|---|---|---|---|",
    ]
    for width, step in steps.items():
        took, size = seconds[width], sum(p.numel() for p in step.parameters) / 1e6
        share = step.useful_flops() / took / peak
        lines.append(
            f"| {width} | {size:.1f} M | {1e3 * took:.0f} | {sum(step.pack.lengths) / took:.0f} | "
            f"{100 * share:.1f} % | {took / seconds['128']:.2f} |"
        )
    publish("\n".join(lines), args.out)


if __name__ == "__main__":
    main()
