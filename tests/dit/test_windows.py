import itertools

import pytest
import torch

from patchworld.dit import reference_attention, span_attention
from patchworld.dit.windows import find_spans, windows_of
from patchworld.patches import pack, positions
from patchworld.shapes import Shape

SHAPES = (Shape(5, 3, 4), Shape(1, 2, 2), Shape(2, 5, 3))
TEXT_LENGTHS = (4, 1, 3)
WINDOWS = sorted({w for p in ("full", "factorised", "window") for w in windows_of(p, (2, 2, 2))}, key=str)


def make_pack(drop=False):
    packed = pack([torch.zeros(s.volume, 1) for s in SHAPES], [positions(s, 0.5) for s in SHAPES], SHAPES)
    if not drop:
        return packed
    return packed.keep(torch.rand(sum(packed.lengths), generator=torch.Generator().manual_seed(3)) < 0.6)


def places(packed):
    """Clip, frame, row and column of each token, by counting."""
    every = [(clip, *place) for clip, s in enumerate(SHAPES) for place in itertools.product(*map(range, s))]
    return [place for i, place in enumerate(every) if packed.kept is None or packed.kept[i]]


def same_box(a, b, window):
    return a[0] == b[0] and all(w is None or x // w == y // w for x, y, w in zip(a[1:], b[1:], window, strict=True))


def masked_attention(q, k, v, text_k, text_v, packed, window):
    """Every token against every token and word of the pack, with a mask written out pair by pair."""
    tokens = places(packed)
    words = [clip for clip, number in enumerate(TEXT_LENGTHS) for _ in range(number)]
    mask = [[same_box(a, b, window) for b in tokens] + [a[0] == word for word in words] for a in tokens]
    scores = torch.einsum("nhk,mhk->hnm", q, torch.cat([k, text_k])) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~torch.tensor(mask), float("-inf")).softmax(-1)
    return torch.einsum("hnm,mhk->nhk", weights, torch.cat([v, text_v]))


@pytest.mark.parametrize("drop", [False, True], ids=["whole", "dropped"])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_attention_in_windows_equals_one_softmax_with_an_explicit_mask(window, drop):
    packed = make_pack(drop)
    draw = torch.Generator().manual_seed(0)
    size, num_words = sum(packed.lengths), sum(TEXT_LENGTHS)
    sizes = (size, size, size, num_words, num_words)
    inputs = [torch.randn(n, 2, 8, generator=draw).requires_grad_() for n in sizes]
    q, k, v, text_k, text_v = inputs
    spans = find_spans(packed, TEXT_LENGTHS, window)
    weights = torch.randn(size, 2, 8, generator=draw)
    truth = masked_attention(*inputs, packed, window)
    true_grads = torch.autograd.grad((truth * weights).sum(), inputs)
    for attention in (span_attention, reference_attention):
        keys, values = spans.gather_keys(k, text_k), spans.gather_keys(v, text_v)
        out = attention(spans.gather_queries(q), keys, values, spans.lengths, spans.k_lengths)
        ours = spans.scatter_queries(out)
        torch.testing.assert_close(ours, truth, rtol=1e-5, atol=1e-5)
        grads = torch.autograd.grad((ours * weights).sum(), inputs)
        for mine, true in zip(grads, true_grads, strict=True):
            torch.testing.assert_close(mine, true, rtol=1e-4, atol=1e-5)


def test_windows_have_the_sizes_that_the_papers_say():
    packed = pack([torch.zeros(80, 1)], [positions(Shape(5, 4, 4), 0.5)], (Shape(5, 4, 4),))
    lengths = {w: find_spans(packed, (3,), w).lengths for w in (*windows_of("factorised", (5, 2, 2)), (5, 2, 2))}
    assert list(lengths.values()) == [(16,) * 5, (5,) * 16, (20,) * 4]
    assert find_spans(packed, (3,), (3, 3, 4)).lengths == (36, 12, 24, 8)


def test_tokens_stay_where_they_are_when_windows_are_whole_frames():
    assert find_spans(make_pack(), TEXT_LENGTHS, (1, None, None)).queries is None
    assert find_spans(make_pack(), TEXT_LENGTHS, (None, 1, 1)).queries is not None


def test_gradients_of_words_that_many_spans_read_are_summed_in_float32():
    packed = pack([torch.zeros(600, 1)], [positions(Shape(2, 20, 15), 0.5)], (Shape(2, 20, 15),))
    spans = find_spans(packed, (1,), (None, 1, 1))
    words = torch.zeros(1, 1, 8, dtype=torch.bfloat16, requires_grad=True)
    spans.gather_keys(torch.zeros(600, 1, 8, dtype=torch.bfloat16), words).sum().backward()
    assert (words.grad == 300).all()  # 1 added to 256 is 256 in bfloat16
