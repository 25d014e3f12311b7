"""How fast is attention by spans beside PyTorch's fused attention, span by span? bfloat16, one thread.

    python benchmarks/attention.py [--out FILE]

Width 384 as heads of 64 and of 128. The mixed pack has spans from 64 to 1,024 tokens, each with a few words as further
keys. The last column is the part of the bf16 matrix peak, where 4 operations count for each query, key and channel
forward and 12 with the way back.
"""

import argparse
from pathlib import Path

import torch
from measure import in_turn, machine, matrix_peak, publish
from torch import Tensor
from torch.nn import functional as F

from patchworld.dit import span_attention

WIDTH = 384
PACKS = {
    "16 x 64": (64,) * 16,
    "8 x 256": (256,) * 8,
    "4 x 512": (512,) * 4,
    "2 x 1024": (1024,) * 2,
    "1 x 3856": (3856,),
    "mixed": (64, 1024, 128, 320, 80, 512, 256, 64, 640, 80),
}
WORDS = (12, 9, 15, 11)


def span_by_span(q: Tensor, k: Tensor, v: Tensor, q_lengths: tuple[int, ...], k_lengths: tuple[int, ...]) -> Tensor:
    """PyTorch's scaled_dot_product_attention on one span after the other."""
    spans = zip(q.split(q_lengths), k.split(k_lengths), v.split(k_lengths), strict=True)
    heads_first = [[x.transpose(0, 1)[None] for x in span] for span in spans]
    return torch.cat([F.scaled_dot_product_attention(*span)[0].transpose(0, 1) for span in heads_first])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    peak = matrix_peak()
    lines = [
        "# benchmarks/attention.py",
        "",
        machine() + f". bf16 matrix peak {peak / 1e9:.0f} GFLOP/s.",
        "",
        "| head | spans | fused, forward, ms | ours | ratio | fused, and backward, ms | ours | ratio | of the peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for head_width in (64, 128):
        for name, q_lengths in PACKS.items():
            k_lengths = tuple(length + WORDS[i % len(WORDS)] for i, length in enumerate(q_lengths))
            shapes = [(sum(lengths), WIDTH // head_width, head_width) for lengths in (q_lengths, k_lengths, k_lengths)]
            inputs = [torch.randn(shape).bfloat16().requires_grad_() for shape in shapes]
            grad = torch.randn(shapes[0]).bfloat16()

            def forward(function, inputs=inputs, lengths=(q_lengths, k_lengths)):
                return lambda: function(*inputs, *lengths)

            def both(function, inputs=inputs, lengths=(q_lengths, k_lengths), grad=grad):
                return lambda: torch.autograd.grad(function(*inputs, *lengths), inputs, grad)

            with torch.no_grad():
                one = in_turn({"fused": forward(span_by_span), "ours": forward(span_attention)})
            two = in_turn({"fused": both(span_by_span), "ours": both(span_attention)})
            pairs = sum(n * m for n, m in zip(q_lengths, k_lengths, strict=True))
            figures = [
                cell
                for took in (one, two)
                for cell in (
                    f"{1e3 * took['fused']:.1f}",
                    f"{1e3 * took['ours']:.1f}",
                    f"{took['fused'] / took['ours']:.2f}",
                )
            ]
            share = 12 * pairs * WIDTH / two["ours"] / peak
            lines.append(f"| {head_width} | {name} | {' | '.join(figures)} | {100 * share:.0f} % |")
    publish("\n".join(lines), args.out)


if __name__ == "__main__":
    main()
