"""Pictures of others, found in a folder and scaled to be filmed."""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np

from patchworld.data.pictures.camera import FINE
from patchworld.errors import InputError
from patchworld.video import read
from patchworld.video.resize import resize_frame

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def find_photographs(folder: str | Path) -> tuple[Path, ...]:
    """The pictures in a folder and its subfolders, by name. Raises InputError when there are none."""
    folder = Path(folder)
    found = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES))
    if not found:
        raise InputError(f"{folder} holds no pictures: give a folder with {', '.join(PICTURES)} files")
    return found


def photograph(path: Path, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A photograph, scaled so that the widest view takes all of it or a part; enlarged only if smaller than a view."""
    picture = _read_picture(path)
    height, width = picture.shape[:2]
    if rng.random() < 0.3:
        picture = picture[:, ::-1]
    least = max(FINE * size[0] / width, FINE * size[1] / height)
    scale = least * np.exp(rng.uniform(math.log(1.05), math.log(4)))
    scale = max(min(scale, 1.0), 1.02 * least)
    return resize_frame(picture, (round(width * scale), round(height * scale))).astype(np.float32)


@lru_cache(maxsize=16)
def _read_picture(path: Path) -> np.ndarray:
    return read(path).frames[0]
