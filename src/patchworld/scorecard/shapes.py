"""Ball, cube or cylinder? A linear reading of silhouette and shading, fitted to renders by fit_shapes.py."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from patchworld.playroom.scene import SHAPES

WEIGHTS = Path(__file__).with_suffix(".safetensors")
CELLS = 16  # along each side of the box of a mask
SHADING, ASPECT = 0.35, 4.0  # how much shading and height over width count beside the silhouette
NUM_FEATURES = 2 * CELLS**2 + 2


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
