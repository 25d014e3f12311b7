import pytest
import torch

from patchworld.dit import reference_attention, span_attention

# Equal neighbours with unlike and with like keys, and one span that is computed in several steps.
Q_LENGTHS, K_LENGTHS = (5, 5, 5, 1, 2500, 16, 16), (9, 12, 7, 4, 2503, 18, 18)


def inputs(dtype):
    draw = torch.Generator().manual_seed(0)
    q = torch.randn(sum(Q_LENGTHS), 2, 32, generator=draw)
    k, v = torch.randn(2, sum(K_LENGTHS), 2, 32, generator=draw)
    return [x.to(dtype).requires_grad_() for x in (q, k, v)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_by_spans_equals_one_masked_softmax(dtype):
    fast, exact = inputs(dtype), [x.detach().float().requires_grad_() for x in inputs(dtype)]
    weights = torch.randn(sum(Q_LENGTHS), 2, 32, generator=torch.Generator().manual_seed(1))
    ours = span_attention(*fast, Q_LENGTHS, K_LENGTHS)
    truth = reference_attention(*exact, Q_LENGTHS, K_LENGTHS)
    (ours.float() * weights).sum().backward()
    (truth * weights).sum().backward()
    # bfloat16 keeps 8 bits: 1/256 of the largest number, and a few roundings on the way.
    tolerance = 1e-5 if dtype == torch.float32 else 0.03
    assert (ours - truth).abs().max() <= tolerance * truth.abs().max()
    for mine, true in zip(fast, exact, strict=True):
        assert (mine.grad - true.grad).abs().max() <= tolerance * true.grad.abs().max()


def test_how_queries_and_keys_lie_in_memory_changes_nothing():
    plain = inputs(torch.bfloat16)
    turned = [x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_() for x in plain]
    ours, other = (span_attention(*some, Q_LENGTHS, K_LENGTHS) for some in (plain, turned))
    assert torch.equal(ours, other)
    (ours.sum() + other.sum()).backward()
    assert all(torch.equal(one.grad, two.grad) for one, two in zip(plain, turned, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_change_in_one_span_changes_no_other(dtype):
    q, k, v = (x.detach() for x in inputs(dtype))
    before = span_attention(q, k, v, Q_LENGTHS, K_LENGTHS)
    k, v = k.clone(), v.clone()
    k[9:21], v[9:21] = 100, -100
    after = span_attention(q, k, v, Q_LENGTHS, K_LENGTHS)
    changed = (before != after).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [5, 6, 7, 8, 9]


def test_without_gradients_a_span_is_the_same_bit_for_bit_alone_and_among_others():
    q_lengths, k_lengths = (80, 80, 80, 16, 16), (88, 101, 93, 24, 19)
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(sum(n), 2, 32, generator=draw).bfloat16() for n in (q_lengths, k_lengths, k_lengths))
    packed = span_attention(q, k, v, q_lengths, k_lengths).split(q_lengths)
    parts = zip(q.split(q_lengths), k.split(k_lengths), v.split(k_lengths), strict=True)
    for among, part in zip(packed, parts, strict=True):
        assert torch.equal(among, span_attention(*part, part[0].shape[:1], part[1].shape[:1]))
