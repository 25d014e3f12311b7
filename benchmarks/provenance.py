"""What does signing cost, do files of every command verify, and is a changed byte noticed?

python benchmarks/provenance.py --files 100 --edits 100
"""

import argparse
import contextlib
import io
import itertools
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import c2pa
import numpy as np
from measure import cpu_seconds, machine, publish

from patchworld.cli import main as patchworld
from patchworld.errors import ProvenanceError
from patchworld.provenance import check, sign
from patchworld.video import Clip

RECIPE = {"verb": "generate", "model": "0123456789abcdef", "prompt": "a red ball", "seed": 3}
FEW = ("--steps", "1")
COMMANDS = (
    ("generate", "a red ball", "--frames", "9", "--size", "32x32", *FEW),
    ("animate", "still.png", "--frames", "9", *FEW),
    ("extend", "given.mp4", "--seconds", "0.5", *FEW),
    ("loop", "a red ball", "--seconds", "1", "--size", "32x32", *FEW),
    ("connect", "given.mp4", "given.mp4", "--seconds", "0.5", *FEW),
    ("blend", "given.mp4", "given.mp4", *FEW),
    ("retake", "given.mp4", "--from", "0.2", "--to", "0.5", *FEW),
    ("inpaint", "given.mp4", "--mask", "mask.png", *FEW),
    ("outpaint", "given.mp4", "--size", "48x32", *FEW),
    ("restyle", "given.mp4", "snow", *FEW),
    ("refine", "given.mp4", "--size", "48x48", *FEW),
    ("storyboard", "board.yaml", *FEW),
    ("reconstruct", "given.mp4"),
    ("replay", "given.mp4"),
    ("generate", "a red ball", "--size", "32x32", *FEW),
)
SUFFIXES = (".mp4", ".mov", ".gif")
IMAGES = (".png", ".jpg", ".webp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--edits", type=int, default=100, help="changed bytes, of all files together")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out.absolute() if options.out else None
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        os.environ["PATCHWORLD_SIGNING"] = str(Path(name) / "signing")
        lines = [*cost(), "", *memory(), "", *verified(options.files, options.edits)]
    title = ["# Provenance", "", f"{machine()}, c2pa {c2pa.sdk_version()}", ""]
    publish("\n".join([*title, *lines]), out)


def cost() -> list[str]:
    """Signing and checking by format and size; noise is the largest a file can be."""
    rows = []
    for suffix, frames, size in (
        (".mp4", 33, (64, 64)),
        (".mov", 33, (64, 64)),
        (".gif", 33, (64, 64)),
        (".png", 1, (64, 64)),
        (".jpg", 1, (64, 64)),
        (".webp", 1, (64, 64)),
        (".mp4", 33, (160, 96)),
        (".mp4", 16, (1280, 720)),
    ):
        noise = np.random.default_rng(0).integers(0, 256, (8, *size[::-1], 3), np.uint8)
        clip = Clip(noise[np.arange(frames) % 8], 8.0)
        wrote = cpu_seconds(lambda clip=clip, suffix=suffix: clip.save(f"plain{suffix}"))
        plain = Path(f"plain{suffix}").read_bytes()
        signing, checking, signed = [], [], b""
        for _ in range(5):
            Path("signed").write_bytes(plain)
            with open("signed", "r+b") as file:
                signing.append(cpu_seconds(lambda file=file, suffix=suffix: sign(file, suffix, RECIPE)))
                checking.append(cpu_seconds(lambda file=file: check(file, "signed")))
            signed = Path("signed").read_bytes()
        milliseconds = [f"{1000 * np.median(times):.1f}" for times in (signing, checking)]
        what = f"{suffix[1:]}, {frames} x {size[0]}x{size[1]}"
        rows.append(
            f"| {what} | {len(plain):,} | {len(signed) - len(plain):,} | {1000 * wrote:.0f} | "
            + " | ".join(milliseconds)
            + " |"
        )
    head = "| file of noise | bytes | the manifest adds | CPU ms to code and write | to sign | to check |"
    return [head, "|" + "---|" * 6, *rows]


GROWTH = """
import re, sys
from patchworld.provenance import sign
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
sign(open("small.mp4", "r+b"), ".mp4", {})
before = peak()
sign(open(sys.argv[1], "r+b"), ".mp4", {})
print((peak() - before) // 1024)
"""


def memory() -> list[str]:
    """How far the memory of a process grows while it signs a large file."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    head = Clip(noise, 8.0).save("small.mp4").read_bytes()
    rows = []
    for megabytes in (10, 100, 1000):
        with open("large.mp4", "wb") as file:
            file.write(head + (megabytes * 2**20 + 8).to_bytes(4) + b"mdat")
            for _ in range(megabytes):
                file.write(os.urandom(2**20))
        grown = subprocess.run(
            [sys.executable, "-c", GROWTH, "large.mp4"], capture_output=True, text=True, check=True
        ).stdout.strip()
        rows.append(f"| {megabytes} | {grown} |")
    Path("large.mp4").unlink()
    return ["| MB of the file | MB that signing needs |", "|---|---|", *rows]


def verified(number: int, edits: int) -> list[str]:
    """Files of every command: how many verify, and of changed bytes how many are noticed."""
    chance = random.Random(0)
    quietly("generate", "a red ball", "--frames", "9", "--size", "32x32", *FEW, "-o", "given.mp4")
    quietly("generate", "a red ball", "--size", "32x32", *FEW, "-o", "still.png")
    white = np.zeros((1, 32, 32, 3), np.uint8)
    white[:, 8:24, 8:24] = 255
    Clip(white, 1.0).save("mask.png")
    Path("board.yaml").write_text("{seconds: 1, size: 32x32, cards: [{at: 0, prompt: a ball}]}")
    made = []
    for place, words in zip(range(number), itertools.cycle(COMMANDS), strict=False):
        image = words[0] == "generate" and "--frames" not in words
        path = Path(f"made-{place}{chance.choice(IMAGES if image else SUFFIXES)}")
        quietly(*words, "-o", str(path))
        made.append(path)
    verify = sum(quietly("verify", str(path)) == 0 for path in made)
    counts: Counter[tuple[str, bool]] = Counter()
    for _ in range(edits):
        data = bytearray(chance.choice(made).read_bytes())
        start = data.index(b"jumb") - 4
        end = start + int.from_bytes(data[start : start + 4])
        place = chance.randrange(len(data))
        data[place] ^= chance.randrange(1, 256)
        part = "the manifest itself" if start - 64 <= place < end + 8 else "all else"
        if part == "all else" and place < 64 and data[4:8] == b"ftyp":
            part = "the first 64 bytes of mp4 and mov"
        counts[part, noticed(bytes(data))] += 1
    rows = [
        f"| bytes changed in {part} | {counts[part, True] + counts[part, False]} | {counts[part, True]} |"
        for part in dict.fromkeys(part for part, _ in sorted(counts))
    ]
    head = ["| what | tried | verify, or noticed |", "|---|---|---|"]
    kinds = len({words[0] for words in COMMANDS})
    first = f"| files of {kinds} commands verify, with their AI source type | {number} | {verify} |"
    return [*head, first, *rows]


def noticed(data: bytes) -> bool:
    """Whether a file is refused, or no longer said to be signed."""
    try:
        return check(io.BytesIO(data), "it") is None
    except ProvenanceError:
        return True


def quietly(*words: str) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
        status = patchworld(words)
    if status:
        raise SystemExit(f"{words}: {told.getvalue()}")
    return status


if __name__ == "__main__":
    main()
