"""Forms and words that fly above the sheet."""

import math
from collections.abc import Callable

import numpy as np

from patchworld.data.pictures.camera import FINE, filmed
from patchworld.data.pictures.shot import Shot
from patchworld.video.lettering import STYLES, lettering


def _disc(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(u, v) - radius


def _ring(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.75 * radius) - radius / 4


def _square(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.8 * radius


def _bar(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(np.abs(u) - 1.3 * radius, np.abs(v) - 0.25 * radius)


def _triangle(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(0.866 * np.abs(u) + 0.5 * v, -v) - radius / 2


# How far a point (u, v) lies outside the form, in pixels; negative inside.
FORMS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "bar": _bar,
    "triangle": _triangle,
}


def _flight(shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """A straight way through the picture: (frames, 2) in pixels from its middle, up to a sixth of a side a frame."""
    side = min(shot.size)
    way, speed = rng.uniform(0, 2 * math.pi), side * np.exp(rng.uniform(math.log(0.005), math.log(0.16)))
    middle = rng.uniform(-0.4, 0.4, 2) * shot.size
    course = np.arange(shot.num_frames) - shot.num_frames * rng.uniform(0.3, 0.7)
    return middle + speed * course[:, None] * np.array([math.cos(way), math.sin(way)])


def flying(shot: Shot, form: str, rng: np.random.Generator) -> np.ndarray:
    """How much of each pixel the form covers in each frame: (frames, height, width). Its edges are one pixel soft."""
    width, height = shot.size
    radius = min(shot.size) * np.exp(rng.uniform(math.log(0.05), math.log(0.3)))
    x, y = _flight(shot, rng).T[:, :, None, None]
    angle = (rng.uniform(0, 6) + rng.uniform(-0.3, 0.3) * np.arange(shot.num_frames))[:, None, None]
    u, v = np.arange(width) - (width - 1) / 2 - x, (np.arange(height) - (height - 1) / 2)[:, None] - y
    turned = np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u
    return (0.5 - FORMS[form](*turned, radius)).clip(0, 1).astype(np.float32)


def moving_words(shot: Shot, words: str, rng: np.random.Generator) -> np.ndarray:
    """As `flying`, for words."""
    letter = int(FINE * min(shot.size) * rng.uniform(0.12, 0.4))
    mask = lettering([words], letter, str(rng.choice(list(STYLES))))
    middle = np.array(mask.shape[::-1]) / 2
    camera = np.column_stack([middle - FINE * _flight(shot, rng), np.ones(shot.num_frames), np.zeros(shot.num_frames)])
    return filmed(mask[..., None], camera, shot.size, padding="zeros")[..., 0].clip(0, 1)
