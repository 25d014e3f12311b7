"""Attention by spans in one kernel launch, on accelerators: PyTorch's variable-length flash attention.

The kernel takes the spans as cumulative lengths, in int32 on the device of the queries, so nothing is padded and no
mask exists. It knows bfloat16 and float16 and heads of up to 256 channels.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

WIDEST_HEAD = 256


def has_kernel(q: Tensor) -> bool:
    """Whether queries (n, heads, k) of this device, type and width can be given to `varlen_attention`."""
    half = q.dtype in (torch.bfloat16, torch.float16)
    return q.device.type == "cuda" and half and q.shape[-1] <= WIDEST_HEAD and q.shape[-1] % 8 == 0


def varlen_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    q_lengths: Sequence[int],
    k_lengths: Sequence[int],
    kernel: Callable[..., Any] = varlen_attn,
) -> Tensor:
    """The same as `span_attention`; `kernel` is called as torch.nn.attention.varlen.varlen_attn is."""
    q_lengths, k_lengths = tuple(q_lengths), tuple(k_lengths)
    q_ends, k_ends = cumulative(q_lengths, q.device), cumulative(k_lengths, q.device)
    return kernel(q, k, v, q_ends, k_ends, max(q_lengths), max(k_lengths))


@lru_cache(maxsize=32)  # every block and every solver step asks for the same lengths
def cumulative(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Where spans begin and end, (spans + 1,) int32: 0 and the running sum of their lengths."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
