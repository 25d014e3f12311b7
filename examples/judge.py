"""Teach the shipped model a taste of your own: python examples/judge.py [STEPS]

The judge is a function of a clip. This one likes balls to lie on the right. 2 steps show that it runs; 60 took four
minutes on two cores and moved the balls of eight pictures from 0.54 to 0.58 of the width.
"""

import sys
from pathlib import Path

import numpy as np

from patchworld import Canvas, Clip, load
from patchworld.data import action_names, encode_dataset, read_dataset
from patchworld.model import DEFAULT
from patchworld.train import JudgedTask, TrainConfig, load_to_learn, train
from patchworld.video import contact_sheet

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
PROMPT = "a red ball on grass"


def how_far_right(clip: Clip) -> float:
    """Where what is red lies, from 0 to 1, the mean of all frames; 0 where nothing is."""
    colours = clip.frames.astype(int)
    red = (colours[..., 0] > 90) & (colours[..., 0] > 2 * colours[..., 1:].max(-1))
    columns = np.linspace(0, 1, clip.size[0])
    return float((red * columns).sum() / red.sum()) if red.any() else 0.0


def judge(number: int) -> tuple:
    """What to dream, and how good a clip of it is; another number may be another prompt."""
    return Canvas(PROMPT, frames=1, size=(64, 64)), how_far_right


# True clips hold what the judge does not look at. Here they are the model's own; better ones are real.
before = load()
true = Path("true")
true.mkdir(exist_ok=True)
for seed in range(8):
    if not (true / f"{seed}.txt").exists():
        before.generate(PROMPT, frames=1, size=(64, 64), seed=seed).save(true / f"{seed}.png")
        (true / f"{seed}.txt").write_text(PROMPT)

samples = read_dataset(true)
model = load_to_learn(DEFAULT, action_names(samples))
encoded = encode_dataset(samples, model.autoencoder, before.autoencoder.grid * before.patch, Path("runs/judge/latents"))
task = JudgedTask(encoded, model, 0, 512, 4, judge=judge)
after = load(train(task, TrainConfig(steps=STEPS, lr=3e-4, lr_warmup_steps=5), Path("runs/judge")))

clips = {
    name: [one.generate(PROMPT, frames=1, size=(64, 64), seed=seed) for seed in range(100, 108)]
    for name, one in {"before": before, "after": after}.items()
}
for name, some in clips.items():
    print(f"{name}: {np.mean([how_far_right(clip) for clip in some]):.2f}")
contact_sheet(clips["before"] + clips["after"], "judged.png", labels=["before"] * 8 + ["after"] * 8)
print("judged.png")
