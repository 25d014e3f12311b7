"""From a plan to pixels."""

import math
from pathlib import Path

import numpy as np

from patchworld.data.pictures.camera import FINE, camera_path, filmed
from patchworld.data.pictures.colours import COLOURS, colour
from patchworld.data.pictures.flight import FORMS, flying, moving_words
from patchworld.data.pictures.patterns import PATTERNS
from patchworld.data.pictures.photographs import photograph
from patchworld.data.pictures.shot import Shot
from patchworld.video import Clip

FPS = 8.0


def draw(shots: tuple[Shot, ...]) -> Clip:
    """The shots as one clip."""
    return Clip(np.concatenate([_draw_shot(shot) for shot in shots]), FPS)


def _draw_shot(shot: Shot) -> np.ndarray:
    """uint8 (frames, height, width, 3)"""
    rng = np.random.default_rng((*shot.key, 1))
    sheet = _sheet(shot, rng)
    frames = filmed(sheet, camera_path(shot, sheet.shape[1], sheet.shape[0], rng), shot.size)
    for form in shot.above:
        cover = flying(shot, form, rng) if form in FORMS else moving_words(shot, form, rng)
        frames += cover[..., None] * (colour(rng, str(rng.choice(list(COLOURS)))) - frames)
    frames *= _light(shot, rng)[:, None, None, None]
    return frames.round().clip(0, 255).astype(np.uint8)


def _light(shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """The factor of brightness of each frame: (frames,)."""
    course = np.linspace(0, 1, shot.num_frames)
    depth = rng.uniform(0.3, 0.7)
    if shot.light == "flickers":
        return 1 - depth * rng.random(shot.num_frames)
    if shot.light == "brightens":
        return 1 - depth * (1 - course)
    return 1 - depth * course if shot.light == "darkens" else np.ones(shot.num_frames)


def _sheet(shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """The still picture under the camera: float32 (height, width, 3), 0 to 255."""
    if isinstance(shot.source, Path):
        return photograph(shot.source, shot.size, rng)
    extent = math.ceil(FINE * max(shot.size) * (1.7 if max(shot.size) <= 128 else 1.45))
    colours = np.stack([colour(rng, name) for name in shot.colours])
    return PATTERNS[shot.source](rng, extent, colours).astype(np.float32)
