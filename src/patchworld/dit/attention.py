"""Attention by spans: every clip of a pack attends to its own keys alone, without padding and without a mask.

Three ways with one result:
- `reference_attention`, one masked softmax over the whole pack: slow, plain, the oracle of the tests;
- a loop over spans through PyTorch's scaled_dot_product_attention;
- groups of spans by plain matrix products with a hand-written backward pass, for bfloat16 on a CPU, where PyTorch's
  fused kernel reaches a fifth of the speed of a matrix product and this one more than half.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from patchworld.dit.varlen import has_kernel, varlen_attention

QUERIES_AT_ONCE = 512  # bounds the scores that exist at the same time: measured, more leave the cache
ROUND = 16  # of keys in training: products whose sizes seldom come back are compiled anew, see dit/transformer.py
MOST_KEYS_KEPT = 1024  # up to here a query's weights are small beside the other things its token keeps for backward


def span_attention(q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], k_lengths: Sequence[int]) -> Tensor:
    """Softmax attention within spans: queries (n, heads, k), keys and values (m, heads, k) to (n, heads, k).

    Span i is the next q_lengths[i] queries and the next k_lengths[i] keys.
    """
    if has_kernel(q):
        return varlen_attention(q, k, v, q_lengths, k_lengths)
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
    """Attention as two batched products a group of spans.

    With P = softmax(QK'/sqrt(k)), O = PV and D = rowsum(P * dO V'):
    dV = P'dO, dS = P * (dO V' - D), dQ = dS K / sqrt(k), dK = dS'Q / sqrt(k)  (Dao et al. 2022, section B.2).
    P of short spans is kept for the backward pass, P of long ones is computed again.

    Without gradients, spans share a group only if nothing has to be padded: sums over longer rows have another order,
    and what a model dreams must not depend on what else is in the pack.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, q_lengths: tuple, k_lengths: tuple) -> Tensor:
        q = q.contiguous() * q.shape[-1] ** -0.5  # one pass over the queries is cheaper than one over the scores
        out, learns = torch.empty_like(q), any(ctx.needs_input_grad)
        kept = []
        for group in _groups(q_lengths, k_lengths, q.shape[1], padded=learns):
            weights = group.weights(q, k)
            group.join(torch.bmm(weights, group.gather(v)), out)
            kept.append(weights if learns and weights.shape[-1] <= MOST_KEYS_KEPT else None)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.lengths = (q_lengths, k_lengths)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple:
        q, k, v, *kept = ctx.saved_tensors
        grad = grads[0].contiguous()
        dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype) for x in (q, k, v))  # rows of (token, head), whatever x was
        for group, weights in zip(_groups(*ctx.lengths, q.shape[1], padded=True), kept, strict=True):
            weights = group.weights(q, k) if weights is None else weights
            g = group.split(grad)
            group.scatter(torch.bmm(weights.mT, g), dv)
            scores = torch.bmm(g, group.gather(v).mT)
            scores = torch._softmax_backward_data(scores, weights, -1, scores.dtype)  # dS
            group.join(torch.bmm(scores, group.gather(k)), dq)
            group.scatter(torch.bmm(scores.mT, group.split(q)), dk)
        return dq.mul_(q.shape[-1] ** -0.5), dk, dv, None, None


@dataclass(frozen=True)
class _Group:
    """Neighbouring spans with equally many queries, computed as one batch, a row of it for each span and head.

    Their keys differ in number, by the words of the prompts, so they are gathered into rows as long as the longest.
    Queries and keys are moved by their place in what lies in memory as (token, head): copying those is much faster
    than transposing.
    """

    queries: slice
    keys: slice
    batch: int  # spans times heads
    order: Tensor  # (batch * length,) which query of which head, counted from queries.start, stands in each place
    place: Tensor  # (queries * heads,) the inverse
    source: Tensor  # (batch * longest,) which key of which head, counted from keys.start, stands in each place
    real: Tensor  # (keys * heads,) where each key stands
    padding: Tensor | None  # (spans, 1, 1, longest - shortest) where a row is over; None if rows are equal
    again: bool  # whether the group before it has the same keys

    def split(self, x: Tensor) -> Tensor:
        """Queries (n, heads, k) as (batch, length, k)."""
        return x[self.queries].flatten(0, 1).index_select(0, self.order).unflatten(0, (self.batch, -1))

    def join(self, x: Tensor, out: Tensor) -> None:
        """The inverse of `split`, into `out`."""
        torch.index_select(x.flatten(0, 1), 0, self.place, out=out[self.queries].flatten(0, 1))

    def gather(self, x: Tensor) -> Tensor:
        """Keys or values (m, heads, k) as rows, (batch, longest, k)."""
        return x[self.keys].flatten(0, 1).index_select(0, self.source).unflatten(0, (self.batch, -1))

    def scatter(self, x: Tensor, out: Tensor) -> None:
        """The inverse of `gather`, into `out`; added to it where the group before has been there."""
        rows = out[self.keys].flatten(0, 1)
        if self.again:
            rows += x.flatten(0, 1).index_select(0, self.real)
        else:
            torch.index_select(x.flatten(0, 1), 0, self.real, out=rows)

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        """The attention of every query of the group, (batch, length, longest); q is scaled already."""
        scores = torch.bmm(self.split(q), self.gather(k).mT)
        if self.padding is not None:  # at the ends of the rows alone
            ends = scores.unflatten(0, (len(self.padding), -1))[..., -self.padding.shape[-1] :]
            ends.masked_fill_(self.padding, float("-inf"))
        return torch.softmax(scores, dim=-1)


@lru_cache(maxsize=8)
def _groups(q_lengths: tuple[int, ...], k_lengths: tuple[int, ...], heads: int, padded: bool) -> list[_Group]:
    """The spans of a pack in groups; a span with many queries becomes several groups, each with some of them.

    padded: whether spans with different numbers of keys may share a group.
    """
    groups, span, q_start, k_start = [], 0, 0, 0
    while span < len(q_lengths):
        length, stop = q_lengths[span], span + 1
        while stop < len(q_lengths) and q_lengths[stop] == length and (stop + 1 - span) * length <= QUERIES_AT_ONCE:
            if k_lengths[stop] != k_lengths[span] and not padded:
                break
            stop += 1
        counts = torch.tensor(k_lengths[span:stop])
        num, longest, total = stop - span, int(counts.max()), int(counts.sum())
        if padded:  # few sizes of products: see ROUND
            longest = -(-longest // ROUND) * ROUND
        starts = counts.cumsum(0) - counts
        places = torch.arange(longest)
        source = starts[:, None] + places.clamp(max=counts[:, None] - 1)  # (num, longest)
        inside = places < counts[:, None]
        padding = None if inside.all() else ~inside[:, None, None, int(counts.min()) :]
        real = torch.arange(num * heads * longest).view(num, heads, longest).transpose(1, 2)[inside].flatten()
        keys = slice(k_start, k_start + total)
        for start in range(0, num * length, max(QUERIES_AT_ONCE, num * length if num > 1 else 1)):
            queries = slice(q_start + start, q_start + min(start + QUERIES_AT_ONCE, num * length))
            order = _by_heads(torch.arange(queries.stop - queries.start).view(num, -1), heads)
            groups.append(
                _Group(
                    queries,
                    keys,
                    num * heads,
                    order,
                    order.argsort(),
                    _by_heads(source, heads),
                    real,
                    padding,
                    again=start > 0,
                )
            )
        span, q_start, k_start = stop, q_start + num * length, k_start + total
    return groups


def _by_heads(tokens: Tensor, heads: int) -> Tensor:
    """Numbers of tokens (spans, length) as those of (token, head), first by span, then by head."""
    return (tokens[:, None] * heads + torch.arange(heads)[:, None]).flatten()
