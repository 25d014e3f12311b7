"""Which tokens attend to each other: every pattern of attention is a sequence of windows, one a block, in turn.

A window is a box of (frames, rows, columns) in tokens, None where it has no limit. Each clip is tiled by boxes from its
first token on, and the tokens of a box, with the words of the clip's prompt, are a span of `span_attention`. Boxes at
the far edges are smaller, so any shape of clip works and nothing is padded.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from patchworld.patches import Pack
from patchworld.shapes import Shape

Pattern = Literal["full", "factorised", "window"]
Box = tuple[int, int, int]
Window = tuple[int | None, int | None, int | None]

EVERYTHING: Window = (None, None, None)
ONE_FRAME: Window = (1, None, None)
ONE_PLACE: Window = (None, 1, 1)


def windows_of(pattern: Pattern, box: Box) -> tuple[Window, ...]:
    """The windows that the blocks of a transformer take in turn.

    full        all spacetime of a clip
    factorised  each frame, then each place through all time: factorised self-attention of ViViT (Arnab et al. 2021,
                section 3.3, model 3), a block for each as in Latte (Ma et al. 2024, variant 1)
    window      each frame, then a `box` of spacetime: W.A.L.T (Gupta et al. 2023, section 3.2)
    """
    return {"full": (EVERYTHING,), "factorised": (ONE_FRAME, ONE_PLACE), "window": (ONE_FRAME, box)}[pattern]


@dataclass(frozen=True)
class Spans:
    """The windows of a pack as spans.

    lengths         tokens of each span
    k_lengths       tokens and words of each span
    text_lengths    words of each clip
    counts          spans of each clip
    queries         (n,) the tokens in the order of the spans; None if that is the order of the pack
    tokens          (n,) the inverse: the place of each token of the pack among the spans
    keys            (sum of k_lengths,) span by span its tokens, then its copy of the words, in what `gather_keys` joins
    joined          (sum of k_lengths,) the inverse of `keys`
    """

    lengths: tuple[int, ...]
    k_lengths: tuple[int, ...]
    text_lengths: tuple[int, ...]
    counts: tuple[int, ...]
    queries: Tensor | None
    tokens: Tensor | None
    keys: Tensor
    joined: Tensor

    def gather_queries(self, q: Tensor) -> Tensor:
        """(n, ...) in the order of the pack to the order of the spans."""
        return q if self.queries is None else _Rearranged.apply(q, self.queries, self.tokens)

    def scatter_queries(self, q: Tensor) -> Tensor:
        """The inverse of `gather_queries`."""
        return q if self.tokens is None else _Rearranged.apply(q, self.tokens, self.queries)

    def gather_keys(self, tokens: Tensor, words: Tensor) -> Tensor:
        """Keys or values of the tokens (n, ...) and of the words (m, ...) as those of the spans."""
        words = words[: sum(self.text_lengths)]
        if any(count > 1 for count in self.counts):
            # A copy for each span. The backward pass of expand sums in float32, that of an index in the type it finds.
            clips = zip(words.split(self.text_lengths), self.counts, strict=True)
            words = torch.cat([clip.expand(count, *clip.shape).flatten(0, 1) for clip, count in clips])
        return _Rearranged.apply(torch.cat([tokens, words]), self.keys, self.joined)


class _Rearranged(torch.autograd.Function):
    """Rows in another order. On the way back each is fetched, where that of an index adds up what may come twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple:
        return grads[0].index_select(0, ctx.saved_tensors[0]), None, None


def find_spans(pack: Pack, text_lengths: tuple[int, ...], window: Window) -> Spans:
    """The spans of the clips of a pack, each with this many words."""
    if pack.kept is not None:  # another choice at every training step
        kept = pack.kept.split([shape.volume for shape in pack.shapes])
        return _find_spans(pack.shapes, text_lengths, window, pack.tokens.device, kept)
    return _find_spans_of_whole_clips(pack.shapes, text_lengths, window, pack.tokens.device)


def _find_spans(
    shapes: tuple[Shape, ...],
    text_lengths: tuple[int, ...],
    window: Window,
    device: torch.device,
    kept: tuple[Tensor, ...] | None = None,
) -> Spans:
    orders, counts, keys, lengths, k_lengths = [], [], [], [], []
    token, word = 0, sum(shape.volume for shape in shapes) if kept is None else sum(int(k.sum()) for k in kept)
    for clip, (shape, num_words) in enumerate(zip(shapes, text_lengths, strict=True)):
        boxes = _boxes(shape, window) if kept is None else _boxes(shape, window)[kept[clip]]
        sizes = [size for size in boxes.bincount().tolist() if size]
        order = token + boxes.argsort(stable=True)
        for part in order.split(sizes):
            keys += [part, torch.arange(word, word + num_words)]
            word += num_words
        orders.append(order)
        counts.append(len(sizes))
        lengths += sizes
        k_lengths += [size + num_words for size in sizes]
        token += len(boxes)
    queries, key = torch.cat(orders), torch.cat(keys)
    moved = not torch.equal(queries, torch.arange(token))
    return Spans(
        tuple(lengths),
        tuple(k_lengths),
        text_lengths,
        tuple(counts),
        queries.to(device) if moved else None,
        queries.argsort().to(device) if moved else None,
        key.to(device),
        key.argsort().to(device),
    )


_find_spans_of_whole_clips = lru_cache(maxsize=8)(_find_spans)  # the steps of a solver ask for the same ones


def _boxes(shape: Shape, window: Window) -> Tensor:
    """The number of the box that each token of one clip lies in, (n,)."""
    places = torch.meshgrid(*(torch.arange(size) for size in shape), indexing="ij")
    number = torch.zeros(tuple(shape), dtype=torch.long)
    for place, size, limit in zip(places, shape, window, strict=True):
        limit = min(limit or size, size)
        number = number * -(-size // limit) + place // limit
    return number.flatten()
