"""Train on a folder of ordinary videos with captions: here three short ones, made on the spot, and a few steps.

A real run differs only in the data and the budget:
    patchworld train autoencoder --data DIR --out runs/autoencoder --minutes 30
    patchworld train transformer --data DIR --out runs/world --autoencoder runs/autoencoder/model --minutes 120
"""

from pathlib import Path

import numpy as np

from patchworld import Clip, load
from patchworld.cli import main

data = Path("videos")
data.mkdir(exist_ok=True)
for name, color in (("red", (220, 40, 30)), ("green", (40, 180, 60)), ("blue", (40, 60, 220))):
    frames = np.full((9, 48, 64, 3), 200, np.uint8)
    for number, frame in enumerate(frames):
        frame[16:32, 5 * number : 5 * number + 16] = color
    Clip(frames, fps=8).save(data / f"{name}.mp4")
    (data / f"{name}.txt").write_text(f"a {name} square moves to the right")

main(["train", "autoencoder", "--data", "videos", "--out", "runs/autoencoder", "--steps", "3"])
training = ["--autoencoder", "runs/autoencoder/model", "--preset", "tiny", "--steps", "3"]
main(["train", "transformer", "--data", "videos", "--out", "runs/world", *training])
print(load("runs/world/model").generate("a red square", frames=9, size=(64, 48), steps=4))
