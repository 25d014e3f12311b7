"""Ball, cube or cylinder? A linear reading of silhouette and shading, fitted to renders.

    python -m patchworld.scorecard.shapes        # makes shapes.safetensors again, in some minutes

The renders it is fitted to are none of those the scorecard asks about.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from patchworld.playroom.scene import SHAPES

WEIGHTS = Path(__file__).with_suffix(".safetensors")
CELLS = 16  # along each side of the box of a mask
SHADING, ASPECT = 0.35, 4.0  # how much shading and height over width count beside the silhouette
NUM_FEATURES = 2 * CELLS**2 + 2
RIDGE = 3.0


def nearest_shape(features: np.ndarray) -> tuple[str, float]:
    """The shape with the highest score, and by how much it leads, 0 to 1."""
    scores = features @ _weights()
    second, first = np.sort(scores)[-2:]
    return SHAPES[int(scores.argmax())], float(np.clip(first - second, 0.0, 1.0))


def features(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """What is seen of a mask (h, w) and its pixels (h, w, 3), whatever its size, colour and light: (NUM_FEATURES,)."""
    height, width = mask.shape
    rows, columns = _shares(height), _shares(width).T
    filled = rows @ mask.astype(np.float32) @ columns
    brightness = rows @ np.where(mask, pixels.astype(np.float32).mean(-1), 0) @ columns
    inside = filled > 0.5
    shade = np.where(filled > 0.1, brightness / np.maximum(filled, 0.05), 0)
    if inside.any():
        shade = np.where(inside, (shade - shade[inside].mean()) / (shade[inside].std() + 4), 0)
    return np.concatenate([filled.ravel(), SHADING * shade.ravel(), [ASPECT * np.log(height / width), 1.0]])


@lru_cache(maxsize=512)
def _shares(length: int) -> np.ndarray:
    """(CELLS, length): which share of each cell each of `length` pixels fills."""
    edges = np.linspace(0, length, CELLS + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) * CELLS / length).astype(np.float32)


@lru_cache(maxsize=1)
def _weights() -> np.ndarray:
    import torch

    from patchworld.weights_file import read_weights

    return read_weights(WEIGHTS, {"shapes": torch.zeros(NUM_FEATURES, len(SHAPES))})["shapes"].numpy()


def fit(samples: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Ridge regression from features (n, NUM_FEATURES) to one hot of `shapes` (n,): (NUM_FEATURES, 3)."""
    square = samples.T @ samples + RIDGE * np.eye(NUM_FEATURES)
    return np.linalg.solve(square, samples.T @ np.eye(len(SHAPES))[shapes])


def draw_samples(seed: int, scenes: int, frames: int) -> Iterator[tuple[np.ndarray, int]]:
    """Features and shape of the things of many renders, a third of them blurred as dreams are."""
    from scipy.ndimage import gaussian_filter

    from patchworld.playroom import sample_scene
    from patchworld.playroom.camera import project, view
    from patchworld.playroom.render import render
    from patchworld.playroom.world import simulate
    from patchworld.scorecard.reading import read
    from patchworld.video import Clip

    sizes = ((64, 64), (112, 64), (64, 112), (96, 96))
    for index in range(scenes):
        scene = sample_scene(seed, index, frames=frames, size=sizes[index % len(sizes)])
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
    import torch
    from safetensors.torch import save_file

    samples, shapes = zip(*draw_samples(31, 2400, 1), *draw_samples(32, 500, 17), strict=True)
    save_file({"shapes": torch.from_numpy(fit(np.array(samples), np.array(shapes))).float().contiguous()}, WEIGHTS)
