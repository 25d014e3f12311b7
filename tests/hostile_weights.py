"""Files of weights as a stranger may send them, each with the reason for which it is refused."""

import json

import torch

from patchworld.weights_file import MOST_HEADER

EXPECTED = {"a": torch.zeros(2, 3), "b": torch.zeros((), dtype=torch.int64), "c": torch.zeros(0, 4)}
F32 = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
I64 = {"dtype": "I64", "shape": [], "data_offsets": [24, 32]}
NONE = {"dtype": "F32", "shape": [0, 4], "data_offsets": [32, 32]}
GOOD = {"a": F32, "b": I64, "c": NONE}


def raw(header, data=bytes(32), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


NAN = b"\0\0\xc0\x7f" + bytes(28)
MANY = {f"{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(100_000)}
HOSTILE = {
    "empty": (b"", "too short"),
    "seven bytes": (bytes(7), "too short"),
    "pickle that runs a command": (b"cos\nsystem\n(S'touch /tmp/canary'\ntR.", "too short for its header"),
    "pickle of protocol 4": (
        b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "too short",
    ),
    "zip of torch": (b"PK\x03\x04" + bytes(200), "not JSON|too short"),
    "header of 2^62 bytes": (raw(GOOD, length=2**62), "too short for its header"),
    "header above the limit": (raw(b" " * (MOST_HEADER + 1)), "a header of 8388609 bytes"),
    "header longer than the file": (raw(GOOD, length=10_000), "too short for its header"),
    "header cut": (raw(GOOD, length=20), "not JSON"),
    "not UTF-8": (raw(b"\xff\xfe{}"), "not JSON: 'utf-8'"),
    "deep JSON": (raw(b"[" * 200_000), "not JSON"),
    "a number of many digits": (raw(b'{"a": ' + b"9" * 10_000 + b"}"), "not JSON"),
    "NaN in the header": (raw(b'{"a": NaN}'), "NaN is no number"),
    "a list": (raw(b"[]"), "not a JSON object"),
    "a name twice": (raw(b'{"a": {}, "a": {}}'), "a name comes twice"),
    "a key twice": (raw(json.dumps(GOOD).replace('"shape": []', '"shape": [], "shape": []').encode()), "comes twice"),
    "overlap": (raw({**GOOD, "b": {**I64, "data_offsets": [16, 24]}}), "overlap"),
    "same place": (raw({"a": F32, "d": F32}, bytes(24)), "overlap"),
    "hole": (raw({**GOOD, "b": {**I64, "data_offsets": [25, 33]}}, bytes(33)), "hole"),
    "trailing bytes": (raw(GOOD, bytes(40)), "bytes instead of"),
    "cut": (raw(GOOD, bytes(31)), "bytes instead of"),
    "end before begin": (raw({**GOOD, "a": {**F32, "data_offsets": [24, 0]}}), "ends before it begins"),
    "three places": (raw({**GOOD, "a": {**F32, "data_offsets": [0, 24, 24]}}), "no usable shape"),
    "negative place": (raw({**GOOD, "a": {**F32, "data_offsets": [-24, 0]}}), "not whole numbers"),
    "shape that overflows": (raw({**GOOD, "a": {**F32, "shape": [2**62, 4]}}), "24 bytes for"),
    "shape above 64 bits": (raw({**GOOD, "a": {**F32, "shape": [2**64, 0]}}), "not whole numbers"),
    "shape of many axes": (raw({**GOOD, "a": {**F32, "shape": [1] * 1000}}), "no usable shape"),
    "shape with a fraction": (raw({**GOOD, "a": {**F32, "shape": [2.0, 3]}}), "not whole numbers"),
    "shape with a truth": (raw({**GOOD, "a": {**F32, "shape": [True, 6]}}), "not whole numbers"),
    "shape and bytes disagree": (raw({**GOOD, "a": {**F32, "shape": [2, 4]}}), "24 bytes for 8 numbers of 4"),
    "unknown dtype": (raw({**GOOD, "a": {**F32, "dtype": "F8_E4M3"}}), "unknown dtype F8_E4M3"),
    "dtype that is a list": (raw({**GOOD, "a": {**F32, "dtype": ["F32"]}}), "unknown dtype"),
    "an extra field": (raw({**GOOD, "a": {**F32, "url": "http://x"}}), "not described by"),
    "metadata that is no text": (raw({"__metadata__": {"a": 1}, **GOOD}), "__metadata__"),
    "another dtype": (raw({**GOOD, "b": {**I64, "dtype": "F64"}}), "b is torch.float64 instead of torch.int64"),
    "another shape": (raw({**GOOD, "a": {**F32, "shape": [3, 2]}}), r"a is \(3, 2\) instead of \(2, 3\)"),
    "a tensor missing": (raw({"a": F32, "b": I64}), "1 tensors are missing or too many, such as c"),
    "a tensor too many": (raw({**GOOD, "../x\n": NONE}), r"missing or too many, such as ../x\\n"),
    "a hundred thousand empty tensors": (raw(MANY, b""), "missing or too many"),
    "not a number": (raw(GOOD, NAN), "a holds numbers that are not finite"),
}
