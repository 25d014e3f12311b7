"""Weights that a stranger wrote: is each file refused, in how much time and memory?

    python benchmarks/untrusted_weights.py [--reader safetensors] [--out FILE]

The files of tests/hostile_weights.py and some that are large, each read by a process of its own that has imported all.
The bar: refused with a reason, within 5 seconds of processor time and 300 MB. Exits 1 where it is not met. The saboteur
is `--reader safetensors`: that library alone takes some of them.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from measure import machine, publish
from safetensors.torch import load_file

from patchworld.errors import ModelError
from patchworld.weights_file import MOST_HEADER, read_weights

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from hostile_weights import EXPECTED, HOSTILE, raw

SECONDS, MEGABYTES = 5, 300
MANY = {f"{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(120_000)}
LARGE = {
    "a header as long as may be, of one name": raw({"x" * (MOST_HEADER - 100): {}}, b""),
    "a header as long as may be, of brackets": raw(b"[" * MOST_HEADER, b""),
    "a header as long as may be, of digits": raw(b'{"a": ' + b"9" * (MOST_HEADER - 7) + b"}", b""),
    "a header of a hundred megabytes": raw(b" " * (100 << 20), b""),
    "as many empty tensors as fit": raw(MANY, b""),
    "a tensor of four gigabytes that is not there": raw(
        {"a": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]}}, b""
    ),
}


def read(reader: str, path: Path, answers: multiprocessing.Queue) -> None:
    """Read the file in this process; puts the reason, the seconds, and the megabytes that were needed beyond before."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        if reader == "safetensors":
            load_file(path)
        else:
            read_weights(path, EXPECTED)
        reason = "TAKEN"
    except ModelError as error:
        reason = str(error).replace(str(path), "FILE")
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    seconds, after = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers.put((reason, seconds, (after - before) / 1e3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reader", choices=("patchworld", "safetensors"), default="patchworld")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    processes = multiprocessing.get_context("fork")
    rows, failed, slowest, largest = [], 0, 0.0, 0.0
    files = {name: content for name, (content, _) in HOSTILE.items()} | LARGE
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / "weights.safetensors"
            path.write_bytes(content)
            answers = processes.Queue()
            process = processes.Process(target=read, args=(options.reader, path, answers))
            process.start()
            reason, seconds, megabytes = answers.get(timeout=120)
            process.join()
            failed += reason == "TAKEN" or seconds > SECONDS or megabytes > MEGABYTES
            slowest, largest = max(slowest, seconds), max(largest, megabytes)
            reason = json.dumps(reason[:90])[1:-1].replace("|", "/")
            rows.append(f"| {name} | {seconds:.3f} | {megabytes:.0f} | {reason} |")
    head = [
        f"# benchmarks/untrusted_weights.py --reader {options.reader}",
        "",
        machine(),
        "",
        f"{len(files)} files, {failed} of them taken or beyond the bar; at most {slowest:.2f} s and {largest:.0f} MB.",
        "",
        "| file | seconds | MB | reason |",
        "|---|---|---|---|",
    ]
    publish("\n".join(head + rows), options.out)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
