"""Clips painted by hand in the playroom's own colours: a ground under a sky, and things of one flat colour."""

import numpy as np

from patchworld.playroom.mjcf import COLOUR_RGB, GROUND_RGB
from patchworld.playroom.render import LIGHTING
from patchworld.scorecard.reading import Reading, read
from patchworld.scorecard.sight import PROP_RGB
from patchworld.video import Clip

Thing = tuple[str, float, float, float, float]
"""Colour or prop, left, top, right and bottom in pixels."""


def lit(name: str, light: str = "day", share: float = 0.7) -> np.ndarray:
    """The colour of a thing, prop or ground under a light, `share` of the sun on it: three bytes."""
    ambient, sun = (np.array(part) for part in LIGHTING[light][:2])
    albedo = np.array((COLOUR_RGB | PROP_RGB | GROUND_RGB)[name])
    return np.round(np.clip(albedo * (ambient + share * sun), 0, 1) * 255).astype(np.uint8)


def paint(frames: list[list[Thing]], size: tuple[int, int] = (64, 64), ground: str = "stone") -> Clip:
    """A clip of boxes over a ground by day, a sky on the top eighth; later things hide earlier ones."""
    width, height = size
    pixels = np.empty((len(frames), height, width, 3), np.uint8)
    pixels[:] = lit(ground, share=np.sin(np.radians(LIGHTING["day"][2])))
    pixels[:, : height // 8] = np.round(np.array(LIGHTING["day"][4]) * 255)
    for picture, things in zip(pixels, frames, strict=True):
        for name, left, top, right, bottom in things:
            picture[round(top) : round(bottom), round(left) : round(right)] = lit(name)
    return Clip(pixels, 8.0)


def reading(*frames: list[Thing]) -> Reading:
    """The reading of a painted clip."""
    return read(paint(list(frames)))


def box(name: str, x: float, y: float, half: float = 5) -> Thing:
    """A square thing around a point."""
    return name, x - half, y - half, x + half, y + half
