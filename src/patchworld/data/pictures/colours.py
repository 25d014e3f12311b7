"""Colours by name."""

import numpy as np

COLOURS = {
    "black": (15, 15, 15),
    "white": (240, 240, 240),
    "grey": (128, 128, 128),
    "red": (205, 40, 40),
    "orange": (235, 135, 30),
    "yellow": (235, 215, 50),
    "green": (50, 150, 60),
    "cyan": (50, 190, 200),
    "blue": (45, 80, 200),
    "purple": (130, 60, 170),
    "pink": (240, 150, 180),
    "brown": (120, 75, 40),
}


def colour(rng: np.random.Generator, name: str) -> np.ndarray:
    return (np.array(COLOURS[name], np.float32) + rng.uniform(-15, 15, 3)).clip(0, 255).astype(np.float32)
