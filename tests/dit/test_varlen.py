import inspect

import pytest
import torch
from torch.nn.attention.varlen import varlen_attn

from patchworld.dit import reference_attention, span_attention
from patchworld.dit.varlen import has_kernel, varlen_attention

Q_LENGTHS, K_LENGTHS = (5, 1, 17, 5), (9, 4, 18, 5)


def inputs(dtype=torch.bfloat16, device="cpu"):
    return [torch.randn(sum(n), 2, 32, dtype=dtype, device=device) for n in (Q_LENGTHS, K_LENGTHS, K_LENGTHS)]


def kernel_of_the_definition(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k):
    """What the kernel promises, from nothing but what it is given; it refuses what the real one refuses."""
    assert {query.dtype, key.dtype, value.dtype} == {torch.bfloat16}
    for ends, rows, longest in ((cu_seq_q, query, max_q), (cu_seq_k, key, max_k)):
        assert ends.dtype == torch.int32
        assert ends.device == rows.device
        assert isinstance(longest, int)
        assert (ends[0], ends[-1]) == (0, len(rows))
        assert longest == ends.diff().max()
    assert len(cu_seq_q) == len(cu_seq_k)
    q_lengths, k_lengths = cu_seq_q.diff().tolist(), cu_seq_k.diff().tolist()
    return reference_attention(query.float(), key.float(), value.float(), q_lengths, k_lengths)


def test_what_the_kernel_is_given_defines_attention_by_spans():
    torch.manual_seed(0)
    q, k, v = inputs()
    ours = varlen_attention(q, k, v, list(Q_LENGTHS), list(K_LENGTHS), kernel=kernel_of_the_definition)
    assert torch.equal(ours, reference_attention(q.float(), k.float(), v.float(), Q_LENGTHS, K_LENGTHS))


def test_the_kernel_of_pytorch_takes_these_arguments():
    names = ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    assert list(inspect.signature(varlen_attn).parameters)[:7] == names
    q, k, v = inputs(device="meta")  # the shapes and the schema alone
    assert varlen_attention(q, k, v, Q_LENGTHS, K_LENGTHS).shape == q.shape


def test_on_an_accelerator_attention_by_spans_is_one_call_of_the_kernel(monkeypatch):
    calls = []

    def kernel(*arguments):
        calls.append(arguments)
        return kernel_of_the_definition(*arguments)

    monkeypatch.setattr("patchworld.dit.attention.has_kernel", lambda q: True)
    monkeypatch.setattr("patchworld.dit.varlen.varlen_attention.__defaults__", (kernel,))
    q, k, v = inputs()
    ours = span_attention(q, k, v, Q_LENGTHS, K_LENGTHS)
    assert torch.equal(ours, reference_attention(q.float(), k.float(), v.float(), Q_LENGTHS, K_LENGTHS))
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("device", "dtype", "width", "expected"),
    [
        ("cuda", torch.bfloat16, 128, True),
        ("cuda", torch.float16, 64, True),
        ("cuda", torch.float32, 128, False),
        ("cuda", torch.bfloat16, 264, False),
        ("cuda", torch.bfloat16, 36, False),
        ("cpu", torch.bfloat16, 128, False),
        ("mps", torch.bfloat16, 128, False),
    ],
)
def test_the_kernel_is_chosen_by_device_type_and_width(device, dtype, width, expected):
    class Queries:  # no such device is needed to ask
        def __init__(self):
            self.device, self.dtype, self.shape = torch.device(device), dtype, (3, 2, width)

    assert has_kernel(Queries()) is expected
