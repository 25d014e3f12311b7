"""The pictures of the documents: what the model makes of eight prompts, of one clip by its verbs, and of six cameras.

    python benchmarks/pictures.py [--model DIR] [--out docs/images]

Seed 0 throughout, nothing chosen.
"""

import argparse
from pathlib import Path

import numpy as np

import patchworld
from patchworld import Canvas, Clip, Sampling, verbs
from patchworld.model import Model
from patchworld.playroom.scene import CAMERAS
from patchworld.video import contact_sheet

PROMPTS = (
    "a red ball rolls to the left on grass",
    "a blue ball to the left of a yellow ball on stone by day",
    "a green cube on sand",
    "a purple ball rolls behind a wall on snow",
    "一个红色的球在草地上",
    "a ball knocks over a tower of yellow blocks on stone",
    "a bite is taken from a pie on sand",
    "an orange ball falls and bounces on snow at sunset",
)


def of_verbs(world: Model) -> dict[str, Canvas]:
    """Canvases by what is said of them."""
    ball, cube = world.generate(PROMPTS[0]), world.generate("a blue cube on snow")
    half = np.zeros((1, 64, 64, 3), np.uint8)
    half[:, :, :32] = 255
    return {
        f'generate "{PROMPTS[0]}"': verbs.generate(PROMPTS[0]),
        "extend, a second more": verbs.extend(ball, PROMPTS[0], seconds=1),
        "extend backward, two seconds before it": verbs.extend(ball, PROMPTS[0], seconds=2, backward=True),
        'loop "a red ball on grass"': verbs.loop("a red ball on grass"),
        "blend with a blue cube on snow": verbs.blend(ball, cube),
        'inpaint the left half, "a blue cube on grass"': verbs.inpaint(ball, Clip(half, 1.0), "a blue cube on grass"),
        "outpaint to 128x64": verbs.outpaint(ball, PROMPTS[0], size=(128, 64)),
        'restyle "a blue ball rolls to the left on snow"': verbs.restyle(ball, "a blue ball rolls to the left on snow"),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    args = parser.parse_args()
    world = patchworld.load(args.model)
    asked = {prompt: verbs.generate(prompt) for prompt in PROMPTS}
    turned = [f"a red ball to the left of a blue cube on stone, the camera {camera}" for camera in CAMERAS[1:]]
    sheets = {
        "prompts": asked,
        "verbs": of_verbs(world),
        "cameras": {prompt: verbs.generate(prompt, frames=33) for prompt in turned},
    }
    for name, canvases in sheets.items():
        clips = [world.dream(canvas, Sampling()) for canvas in canvases.values()]
        contact_sheet(clips, args.out / f"{name}.png", labels=list(canvases))
        print(args.out / f"{name}.png")


if __name__ == "__main__":
    main()
