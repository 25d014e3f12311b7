"""Reading weights that anyone may have written.

A safetensors file is eight bytes with the length of a JSON header, the header, and the numbers. It can run no code, but
it can lie. So the header is compared with what is expected before anything of its size is made, and the numbers are
read from the same open file that was compared. This is the only place where weights are read.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from patchworld.errors import ModelError

MOST_HEADER = 8 << 20  # bytes; a transformer of 7 billion weights needs a twentieth of that
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class _Fault(Exception):
    """What is wrong inside a file."""


def read_weights(
    path: Path, expected: Mapping[str, Tensor], *, described_by: str = "model.json", exact: bool = False
) -> dict[str, Tensor]:
    """The tensors of the file, which has those of `expected` by name, shape and dtype, all numbers finite.

    Numbers with a fraction may be kept in another precision, unless `exact`. Raises ModelError, which names the fault,
    before any number is read where the header shows it. `described_by` is what says what is expected, for messages.
    """
    try:
        # Not blocking: opening a pipe would wait for its other end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            size = os.fstat(file.fileno())
            if not stat.S_ISREG(size.st_mode):
                raise _Fault("not a regular file")
            entries, start = _header(file, size.st_size)
            _compare(path, entries, expected, described_by, exact)
            return {name: _read(path, file, name, entries[name], start) for name in expected}
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: a model folder holds the weights beside model.json") from None
    except (_Fault, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}): restore it from where it came from") from error


def _header(file: BinaryIO, size: int) -> tuple[dict[str, dict[str, Any]], int]:
    """The entries of the file by name, and the place where the numbers start."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise _Fault(f"{size} bytes, too short for its header")
    if length > MOST_HEADER:
        raise _Fault(f"a header of {length} bytes, above {MOST_HEADER}")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8, of a number of too many digits
        raise _Fault(f"the header is not JSON: {str(error)[:60]}") from error
    if not isinstance(header, dict):
        raise _Fault("the header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _Fault("__metadata__ is not a JSON object of texts")
    end = 0
    places = []
    for name, entry in header.items():
        dtype, shape, (first, last) = _checked(name, entry)
        width = DTYPES[dtype].itemsize
        count = 1
        for length_of_axis in shape:
            count *= length_of_axis
        if count * width != last - first:
            raise _Fault(f"{name[:60]} has {last - first} bytes for {count} numbers of {width}")
        places.append((first, last))
    for first, last in sorted(places):
        if first != end:
            raise _Fault("tensors overlap" if first < end else "a hole between tensors")
        end = last
    if size != 8 + length + end:
        raise _Fault(f"{size} bytes instead of {8 + length + end}")
    return header, 8 + length


def _checked(name: str, entry: Any) -> tuple[str, list[int], list[int]]:
    """The dtype, shape and place of an entry, after a look at their types."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _Fault(f"{name[:60]} is not described by dtype, shape and data_offsets")
    dtype, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _Fault(f"{name[:60]} has the unknown dtype {str(dtype)[:20]}")
    for numbers, most in ((shape, 16), (place, 2)):
        if not isinstance(numbers, list) or len(numbers) > most:
            raise _Fault(f"{name[:60]} has no usable shape and data_offsets")
        if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
            raise _Fault(f"{name[:60]} has sizes that are not whole numbers from 0")
    if len(place) != 2 or place[1] < place[0]:
        raise _Fault(f"{name[:60]} ends before it begins")
    return dtype, shape, place


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _compare(
    path: Path, entries: dict[str, dict[str, Any]], expected: Mapping[str, Tensor], described_by: str, exact: bool
) -> None:
    """Names, shapes and dtypes of the file against those that are expected."""
    trouble = f"{path} does not fit {described_by}"
    remedy = "restore both files together" if described_by == "model.json" else "start in another folder"
    if entries.keys() != expected.keys():
        odd = sorted(entries.keys() ^ expected.keys())
        such = odd[0][:80].encode("unicode_escape").decode()
        raise ModelError(f"{trouble}: {len(odd)} tensors are missing or too many, such as {such}; {remedy}")
    for name, own in expected.items():
        shape, dtype = tuple(entries[name]["shape"]), DTYPES[entries[name]["dtype"]]
        if shape != tuple(own.shape):
            raise ModelError(f"{trouble}: {name} is {shape} instead of {tuple(own.shape)}; {remedy}")
        alike = dtype.is_floating_point and own.is_floating_point() and not exact
        if dtype != own.dtype and not alike:
            raise ModelError(f"{trouble}: {name} is {dtype} instead of {own.dtype}; {remedy}")


def _read(path: Path, file: BinaryIO, name: str, entry: dict[str, Any], start: int) -> Tensor:
    """The numbers of one tensor."""
    tensor = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]])
    if tensor.numel():
        file.seek(start + entry["data_offsets"][0])
        content = tensor.view(-1).view(torch.uint8).numpy()
        if file.readinto(content) != content.nbytes:  # type: ignore[attr-defined]
            raise _Fault("it became shorter while it was read")
        if tensor.dtype == torch.bool and int(content.max()) > 1:
            raise _Fault(f"{name} holds a truth value that is neither 0 nor 1")
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise ModelError(f"{path}: {name} holds numbers that are not finite; restore the file")
    return tensor
