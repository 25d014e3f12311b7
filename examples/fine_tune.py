"""Teach the shipped model a world it has never seen from 20 short videos: python examples/fine_tune.py [STEPS]

The videos are made on the spot: a diamond over waves, in five colours, moving four ways. 3 steps show that it runs;
300 take some minutes on one core, and docs/fine_tuning.md shows what comes of them.
"""

import sys
from pathlib import Path

import numpy as np

from patchworld import Clip, load
from patchworld.cli import main
from patchworld.video import contact_sheet

STEPS = sys.argv[1] if len(sys.argv) > 1 else "3"
COLORS = {"pink": (250, 90, 180), "golden": (250, 190, 30), "teal": (20, 170, 160), "violet": (130, 60, 220)}
COLORS["white"] = (245, 245, 245)
WAYS = {"rises": (0, -1), "sinks": (0, 1), "drifts to the left": (-1, 0), "drifts to the right": (1, 0)}


def waves(color: tuple[int, int, int], way: tuple[int, int]) -> Clip:
    """17 frames of 64 x 64: a diamond of this color moves this way over waves that roll."""
    y, x = np.mgrid[:64, :64]
    frames = np.empty((17, 64, 64, 3), np.uint8)
    for number, frame in enumerate(frames):
        crest = np.sin(x / 5 + number / 2 + 2 * np.sin(y / 9)) * np.sin(y / 4)
        frame[:] = np.array((20, 40, 90)) + np.array((10, 25, 50)) * crest[..., None]
        left, top = (32 + step * (2 * number - 16) for step in way)
        frame[abs(x - left) + abs(y - top) < 13] = color
    return Clip(frames, fps=8)


folder = Path("waves")
folder.mkdir(exist_ok=True)
for name, color in COLORS.items():
    for words, way in WAYS.items():
        clip = folder / f"{name} {words}.mp4"
        if not clip.exists():
            waves(color, way).save(clip)
        clip.with_suffix(".txt").write_text(f"a {name} diamond {words} over waves")

main(
    [
        "train",
        "transformer",
        "--data",
        "waves",
        "--out",
        "runs/waves",
        "--lora",
        "16",
        "--steps",
        STEPS,
        "--tokens",
        "320",
    ]
)

prompts = ["a pink diamond rises over waves", "a teal diamond drifts to the left over waves"]
models = {"shipped": load(), "with the adapter": load(lora="runs/waves/lora")}
clips = [model.generate(prompt) for model in models.values() for prompt in prompts]
contact_sheet(clips, "fine_tuned.png", labels=[f"{name}: {prompt}" for name in models for prompt in prompts])
print("fine_tuned.png")
