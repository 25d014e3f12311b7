"""Fits shapes.safetensors to renders, none of them among those that the scorecard asks about; takes some minutes.

python -m patchworld.scorecard.fit_shapes
"""

from collections.abc import Iterator

import numpy as np
import torch
from safetensors.torch import save_file

from patchworld.playroom import sample_scene
from patchworld.playroom.camera import project, view
from patchworld.playroom.render import render
from patchworld.playroom.scene import SHAPES
from patchworld.playroom.world import simulate
from patchworld.scorecard.reading import read
from patchworld.scorecard.shapes import NUM_FEATURES, WEIGHTS
from patchworld.video import Clip

RIDGE = 3.0
SIZES = ((64, 64), (112, 64), (64, 112), (96, 96))


def fit(samples: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Ridge regression from features (n, NUM_FEATURES) to one hot of `shapes` (n,): (NUM_FEATURES, 3)."""
    square = samples.T @ samples + RIDGE * np.eye(NUM_FEATURES)
    return np.linalg.solve(square, samples.T @ np.eye(len(SHAPES))[shapes])


def draw_samples(seed: int, scenes: int, frames: int) -> Iterator[tuple[np.ndarray, int]]:
    """Features and shape of the things of many renders, a third of them blurred as dreams are."""
    from scipy.ndimage import gaussian_filter

    for index in range(scenes):
        scene = sample_scene(seed, index, frames=frames, size=SIZES[index % len(SIZES)])
        run = simulate(scene)
        pictures, _ = render(scene, run)
        reading = read(Clip(pictures if index % 3 else gaussian_filter(pictures, (0, 0.8, 0.8, 0)), scene.fps))
        for frame in range(0, frames, 8):
            places = project(view(scene, frame), run.position[frame].reshape(-1, 3), scene.width, scene.height)
            for thing, (x, y, _) in zip(scene.things, places, strict=False):
                here = [b for b in reading.of(thing.colour, frame) if b.left <= x <= b.right and b.top <= y <= b.bottom]
                if len(here) == 1:
                    yield here[0].features, SHAPES.index(thing.shape)


if __name__ == "__main__":
    samples, shapes = zip(*draw_samples(31, 2400, 1), *draw_samples(32, 500, 17), strict=True)
    save_file({"shapes": torch.from_numpy(fit(np.array(samples), np.array(shapes))).float().contiguous()}, WEIGHTS)
