"""Attention by spans: every clip of a pack attends to its own keys alone, without padding and without a mask.

Three ways with one result:
- `reference_attention`, one masked softmax over the whole pack: slow, plain, the oracle of the tests;
- a loop over spans through PyTorch's scaled_dot_product_attention;
- a loop over spans of plain matrix products with a hand-written backward pass, for bfloat16 on a CPU, where PyTorch's
  fused kernel reaches a fifth of the speed of a matrix product and this one more than half.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

QUERIES_AT_ONCE = 512  # bounds the score matrix of one step to 512 rows


def span_attention(q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], k_lengths: Sequence[int]) -> Tensor:
    """Softmax attention within spans: queries (n, heads, k), keys and values (m, heads, k) to (n, heads, k).

    Span i is the next q_lengths[i] queries and the next k_lengths[i] keys.
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        return _MatmulAttention.apply(q, k, v, tuple(q_lengths), tuple(k_lengths))
    spans = zip(q.split(list(q_lengths)), k.split(list(k_lengths)), v.split(list(k_lengths)), strict=True)
    outputs = []
    for q_i, k_i, v_i in spans:
        heads_first = (x.transpose(0, 1)[None] for x in (q_i, k_i, v_i))  # (1, heads, length, k)
        outputs.append(F.scaled_dot_product_attention(*heads_first)[0].transpose(0, 1))
    return torch.cat(outputs)


def reference_attention(q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], k_lengths: Sequence[int]) -> Tensor:
    """The same as `span_attention` by one block-diagonal mask: memory grows with n * m."""
    q_span = torch.repeat_interleave(torch.tensor(q_lengths))
    k_span = torch.repeat_interleave(torch.tensor(k_lengths))
    scores = torch.einsum("nhk,mhk->hnm", q, k) / q.shape[-1] ** 0.5
    scores = scores.masked_fill(q_span[:, None] != k_span[None, :], float("-inf"))
    return torch.einsum("hnm,mhk->nhk", scores.softmax(-1), v)


class _MatmulAttention(torch.autograd.Function):
    """Attention as two batched products a span. The backward pass computes the scores again instead of keeping them.

    With P = softmax(QK'/sqrt(k)), O = PV and D = rowsum(dO * O):
    dV = P'dO, dS = P * (dO V' - D), dQ = dS K / sqrt(k), dK = dS'Q / sqrt(k)  (Dao et al. 2022, section B.2).
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, q_lengths: tuple, k_lengths: tuple) -> Tensor:
        out = torch.empty_like(q)
        scale = q.shape[-1] ** -0.5
        for queries, keys in _steps(q_lengths, k_lengths):
            q_i, k_i, v_i = q[queries].transpose(0, 1), k[keys].transpose(0, 1), v[keys].transpose(0, 1)
            weights = torch.softmax(torch.bmm(q_i, k_i.mT) * scale, dim=-1)
            out[queries] = torch.bmm(weights, v_i).transpose(0, 1)
        ctx.save_for_backward(q, k, v, out)
        ctx.lengths = (q_lengths, k_lengths)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple:
        grad = grads[0]
        q, k, v, out = ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        row = (grad.float() * out.float()).sum(-1, keepdim=True).to(q.dtype)  # (n, heads, 1)
        for queries, keys in _steps(*ctx.lengths):
            q_i, k_i, v_i = q[queries].transpose(0, 1), k[keys].transpose(0, 1), v[keys].transpose(0, 1)
            g_i, row_i = grad[queries].transpose(0, 1), row[queries].transpose(0, 1)
            weights = torch.softmax(torch.bmm(q_i, k_i.mT) * scale, dim=-1)
            dv[keys] += torch.bmm(weights.mT, g_i).transpose(0, 1)
            scores = weights.mul_(torch.bmm(g_i, v_i.mT).sub_(row_i)).mul_(scale)
            dq[queries] = torch.bmm(scores, k_i).transpose(0, 1)
            dk[keys] += torch.bmm(scores.mT, q_i).transpose(0, 1)
        return dq, dk, dv, None, None


def _steps(q_lengths: tuple[int, ...], k_lengths: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Slices of at most QUERIES_AT_ONCE queries, each with the keys of its span."""
    steps, q_start, k_start = [], 0, 0
    for q_length, k_length in zip(q_lengths, k_lengths, strict=True):
        for start in range(q_start, q_start + q_length, QUERIES_AT_ONCE):
            stop = min(start + QUERIES_AT_ONCE, q_start + q_length)
            steps.append((slice(start, stop), slice(k_start, k_start + k_length)))
        q_start, k_start = q_start + q_length, k_start + k_length
    return steps
