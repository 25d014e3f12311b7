import os
import re
import tracemalloc
from pathlib import Path

import pytest
import torch
from hostile_weights import EXPECTED, GOOD, HOSTILE, raw
from safetensors.torch import save, save_file

import patchworld
from patchworld.errors import ModelError
from patchworld.weights_file import read_weights


def put(path, content):
    path.write_bytes(content)
    return path


def test_what_safetensors_writes_is_read_to_the_last_bit(tmp_path):
    torch.manual_seed(0)
    tensors = {
        "half": torch.randn(3, 5).bfloat16(),
        "full": torch.randn(2, 3, 4),
        "whole": torch.arange(7),
        "truth": torch.tensor([True, False]),
        "one": torch.tensor(1.5),
        "nothing": torch.zeros(0, 3),
    }
    save_file(tensors, tmp_path / "w.safetensors", metadata={"format": "pt"})
    found = read_weights(tmp_path / "w.safetensors", tensors, exact=True)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_another_precision_is_read_unless_it_has_to_be_exact(tmp_path):
    path = put(tmp_path / "w.safetensors", save({"a": torch.ones(2).bfloat16()}))
    assert read_weights(path, {"a": torch.zeros(2)})["a"].dtype == torch.bfloat16
    with pytest.raises(ModelError, match=r"a is torch.bfloat16 instead of torch.float32"):
        read_weights(path, {"a": torch.zeros(2)}, exact=True)


def test_the_file_the_others_differ_from_is_good(tmp_path):
    assert read_weights(put(tmp_path / "w", raw(GOOD)), EXPECTED).keys() == EXPECTED.keys()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_for_a_named_reason(kind, tmp_path):
    content, reason = HOSTILE[kind]
    with pytest.raises(ModelError, match=reason) as refused:
        read_weights(put(tmp_path / "w.safetensors", content), EXPECTED)
    assert "\n" not in str(refused.value)


def test_nothing_of_the_size_that_a_header_claims_is_made(tmp_path):
    claimed = {"a": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]}}
    tracemalloc.start()
    with pytest.raises(ModelError, match="bytes instead of"):
        read_weights(put(tmp_path / "w", raw(claimed, b"")), {"a": torch.empty(2**30, device="meta")})
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_pipe_and_a_folder_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ModelError, match="damaged"):
            read_weights(path, EXPECTED)


def test_a_truth_value_is_0_or_1(tmp_path):
    path = put(tmp_path / "w", raw({"a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\2"))
    with pytest.raises(ModelError, match="neither 0 nor 1"):
        read_weights(path, {"a": torch.zeros(1, dtype=torch.bool)})


UNSAFE = (
    r"\bpickle\b|torch\.load\(|\byaml\.load\(|(?<![\w.])eval\(|(?<![\w.])exec\(|trust_remote_code=True|"
    r"safe_open|load_file"
)


def test_the_source_has_no_other_way_to_read_weights_and_none_that_runs_code():
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted(Path(patchworld.__file__).parent.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(UNSAFE, line)
    ]
    assert found == []
    for bad in ("import pickle", "torch.load(path)", "yaml.load(x)", "eval(x)", "exec(x)", "f(trust_remote_code=True)"):
        assert re.search(UNSAFE, bad)
