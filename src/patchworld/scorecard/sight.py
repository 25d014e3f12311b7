"""Sight: what every pixel of a playroom picture shows, from its colour alone.

A matt surface of albedo a, under ambient light A and a sun S, has the colour a * (A + k * S) with k from 0, in shade,
to 1, facing the sun: a line in the space of colours. Light and ground are found first, from what fills the lower
border; each pixel then belongs to the line it is nearest to. Nothing is learned, and no model is asked.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from patchworld.playroom.mjcf import COLOUR_RGB, GROUND_RGB
from patchworld.playroom.render import LIGHTING
from patchworld.video import Clip

PROP_RGB = {
    "wall": (0.47, 0.33, 0.28),
    "ramp": (0.66, 0.53, 0.38),
    "crust": (0.78, 0.55, 0.28),
    "filling": (0.52, 0.10, 0.16),
    "lip": (0.86, 0.36, 0.44),
    "wax": (0.93, 0.88, 0.76),
    "dish": (0.42, 0.36, 0.33),
}
# What glows has one colour, whatever the light.
FLAME_RGB = ((1.0, 0.62, 0.08), (1.0, 0.95, 0.4))
NOTHING = ("ground", "sky")
LABELS = (*NOTHING, *COLOUR_RGB, *PROP_RGB, "flame")
BITS = 6  # of a channel that are looked at
MORE_GROUND = 0.001  # squared distance by which ground is preferred: there is more of it than of anything else
SKY = 0.1  # how much the sky says about the light beside the ground; from high up there is none
SLABS = 0.25  # how much darker or lighter than its mean a ground may be


@dataclass(frozen=True)
class Setting:
    """Where a clip plays: `ground` and `light` as the playroom names them."""

    ground: str
    light: str


def _sun_height(light: str) -> float:
    return float(np.sin(np.radians(LIGHTING[light][2])))


@lru_cache(maxsize=32)
def _lines(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both ends of each line (lines, 3), 0 to 1, and the number of its label."""
    ambient, sun, _, horizon, zenith = (np.array(part) for part in LIGHTING[setting.light])
    ground = np.array(GROUND_RGB[setting.ground])
    lit = ambient + sun * _sun_height(setting.light)
    ends = [("ground", ground * ambient * (1 - SLABS), ground * lit * (1 + SLABS)), ("sky", horizon, zenith)]
    ends.append(("sky", ground * lit, horizon))  # far ground fades into the horizon
    for name, albedo in (COLOUR_RGB | PROP_RGB).items():
        shade, bright = np.array(albedo) * ambient, np.array(albedo) * (ambient + sun)
        ends.append((name, shade, np.minimum(bright, 1.0)))
    ends.append(("flame", np.array(FLAME_RGB[0]), np.array(FLAME_RGB[1])))
    names, low, high = zip(*ends, strict=True)
    return np.array(low), np.array(high), np.array([LABELS.index(name) for name in names], np.uint8)


def find_setting(clip: Clip) -> Setting:
    """The ground and light whose colours fill the border of the first frame best: a ground below, a sky on top."""
    frame = clip.frames[0].astype(np.float32) / 255
    height, width, _ = frame.shape
    strip = frame[height // 2 :]
    edge = np.concatenate([strip[:, : width // 5], strip[:, -(width // 5) :]], 1).reshape(-1, 3)
    edge = np.concatenate([edge, frame[-height // 8 :].reshape(-1, 3)])
    top = np.median(frame[0], 0)
    best, fewest = Setting("grass", "day"), np.inf
    for light, (ambient, sun, _, *sky) in LIGHTING.items():
        horizon, zenith = (np.array(part) for part in sky)
        apart = np.abs(horizon + np.linspace(0, 1, 9)[:, None] * (zenith - horizon) - top).sum(1).min()
        for ground, albedo in GROUND_RGB.items():
            lit = np.array(albedo) * (np.array(ambient) + np.array(sun) * _sun_height(light))
            miss = float(np.median(np.abs(edge - lit).sum(1)) + SKY * min(apart, 1.0))
            if miss < fewest:
                best, fewest = Setting(ground, light), miss
    return best


def label(frames: np.ndarray, setting: Setting) -> np.ndarray:
    """For each pixel of `frames` (f, h, w, 3) uint8 the number of its label in LABELS: (f, h, w) uint8."""
    r, g, b = np.moveaxis(frames >> (8 - BITS), -1, 0).astype(np.int32)
    return _table(setting)[(r << 2 * BITS) + (g << BITS) + b]


@lru_cache(maxsize=32)
def _table(setting: Setting) -> np.ndarray:
    """The label of every colour, of BITS bits a channel: a thousand pictures ask for the same few colours."""
    low, high, names = _lines(setting)
    steps = (np.arange(1 << BITS, dtype=np.float32) + 0.5) / (1 << BITS)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    best, nearest = np.full(len(colours), np.inf, np.float32), np.zeros(len(colours), np.uint8)
    for start, way, name in zip(low, high - low, names, strict=True):
        offset = colours - start.astype(np.float32)
        k = np.clip(offset @ way / max(way @ way, 1e-6), 0, 1)[:, None]
        miss = ((offset - k * way) ** 2).sum(1) - (MORE_GROUND if LABELS[name] in NOTHING else 0)
        closer = miss < best
        best[closer], nearest[closer] = miss[closer], name
    return nearest
