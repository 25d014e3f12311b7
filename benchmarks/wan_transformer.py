"""How fast is the transformer beside diffusers' WanTransformer3DModel of equal width, depth, heads and tokens?

    python benchmarks/wan_transformer.py [--out FILE]

4 clips of 512 video tokens, prompts of 12 words. Ours reads 12; Wan's reads 12 for a comparison at equal words, and as
its pipeline feeds it: every prompt padded to 512 tokens, which no mask hides. Wan runs in two ways, and the faster
counts: bfloat16 weights with the parts in float32 that `from_pretrained` keeps so, and float32 weights under autocast.
Training is forward and backward.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from measure import in_turn, machine, matrix_peak, publish
from torch import Tensor, nn

from patchworld.dit import DiffusionTransformer, TransformerConfig
from patchworld.patches import pack, positions
from patchworld.shapes import Shape

WIDTH, HEAD_WIDTH, DEPTH, CHANNELS, TEXT_WIDTH = 384, 128, 8, 16, 256
CLIPS, SHAPE, WORDS = 4, Shape(8, 8, 8), 12
PADDED = 512  # tokens of any prompt: max_sequence_length of diffusers' WanPipeline


def ours(weights: torch.dtype) -> tuple[nn.Module, Callable[[], Tensor]]:
    """Our transformer and one forward pass."""
    config = TransformerConfig(
        latent_channels=CHANNELS, width=WIDTH, depth=DEPTH, head_width=HEAD_WIDTH, text_width=TEXT_WIDTH
    )
    model = DiffusionTransformer(config).to(weights)
    shapes = (SHAPE,) * CLIPS
    packed = pack(
        [torch.randn(SHAPE.volume, config.num_inputs) for _ in shapes], [positions(SHAPE, 0.25) for _ in shapes], shapes
    )
    level = torch.rand(CLIPS).repeat_interleave(SHAPE.volume)
    text = torch.randn(CLIPS * WORDS, TEXT_WIDTH)

    def forward() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(packed, level, text, (WORDS,) * CLIPS)

    return model, forward


def wan(weights: torch.dtype, words: int) -> tuple[nn.Module, Callable[[], Tensor]]:
    """Wan's transformer and one forward pass; weights in float32 run under autocast."""
    model = WanTransformer3DModel(
        num_attention_heads=WIDTH // HEAD_WIDTH,
        attention_head_dim=HEAD_WIDTH,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        text_dim=TEXT_WIDTH,
        ffn_dim=4 * WIDTH,
        num_layers=DEPTH,
    )
    for name, parameter in model.named_parameters():
        if not any(kept in name.split(".") for kept in model._keep_in_fp32_modules):
            parameter.data = parameter.data.to(weights)
    latent = torch.randn(CLIPS, CHANNELS, SHAPE.frames, 2 * SHAPE.height, 2 * SHAPE.width).to(weights)
    level, text = torch.rand(CLIPS) * 1000, torch.randn(CLIPS, words, TEXT_WIDTH).to(weights)

    def forward() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=weights == torch.float32):
            return model(latent, level, text, return_dict=False)[0]

    return model, forward


def training(model: nn.Module, forward: Callable[[], Tensor]) -> Callable[[], None]:
    """Forward and backward, gradients thrown away."""

    def run() -> None:
        forward().float().square().mean().backward()
        model.zero_grad(set_to_none=True)

    return run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    models = {
        "ours, autocast": ours(torch.float32),
        "ours, bf16 weights": ours(torch.bfloat16),
        **{
            f"Wan, {words} words, {name}": wan(weights, words)
            for words in (WORDS, PADDED)
            for name, weights in (("autocast", torch.float32), ("bf16 weights", torch.bfloat16))
        },
    }
    before = matrix_peak()
    with torch.no_grad():
        inference = in_turn({name: forward for name, (_, forward) in models.items()})
    # The masters of our weights are float32 in training: bf16 weights are for inference alone.
    trained = {name: model for name, model in models.items() if name != "ours, bf16 weights"}
    train = in_turn({name: training(*model) for name, model in trained.items()})
    after = matrix_peak()
    tokens = CLIPS * SHAPE.volume
    lines = [
        "# benchmarks/wan_transformer.py",
        "",
        machine()
        + f". Width {WIDTH}, {DEPTH} layers, heads of {HEAD_WIDTH}, {CLIPS} clips of {SHAPE.volume} tokens and "
        f"{WORDS} words. bf16 matrix peak {before / 1e9:.0f} GFLOP/s before, {after / 1e9:.0f} after.",
        "",
        "| | parameters | inference, ms | tokens/s | training, ms | tokens/s |",
        "|---|---|---|---|---|---|",
    ]
    for name, (model, _) in models.items():
        size, took = sum(p.numel() for p in model.parameters()) / 1e6, inference[name]
        row = f"| {name} | {size:.1f} M | {1e3 * took:.0f} | {tokens / took:.0f} |"
        lines.append(row + (f" {1e3 * train[name]:.0f} | {tokens / train[name]:.0f} |" if name in train else " | |"))

    def fastest(times: dict[str, float], who: str) -> float:
        return min(seconds for name, seconds in times.items() if name.startswith(who))

    for words, how in ((WORDS, "at equal words"), (PADDED, "as its pipeline feeds it")):
        ratios = [fastest(times, f"Wan, {words}") / fastest(times, "ours") for times in (inference, train)]
        lines += ["", f"Throughput over Wan at its best, {how}: inference {ratios[0]:.2f}, training {ratios[1]:.2f}."]
    publish("\n".join(lines), args.out)


if __name__ == "__main__":
    main()
