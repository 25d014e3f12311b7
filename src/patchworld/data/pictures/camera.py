"""A camera above a still sheet: where it goes, and what it sees there."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from patchworld.data.pictures.shot import Shot

FINE = 2  # samples of the sheet along each side of a pixel


def camera_path(shot: Shot, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Where the camera is in each frame: (frames, 4) of x, y, sheet pixels a sample, and angle in radians.

    The view keeps within the sheet (width, height), whatever the angle.
    """
    zoom = rng.uniform(1.15, 1.9) if any(word in shot.camera for word in ("zooms", "roams")) else 1.0
    turn = rng.uniform(-0.8, 0.8) if shot.camera in ("turns", "roams") else 0.0
    angle = np.array([0.0, turn]) + (rng.uniform(-math.pi, math.pi) if rng.random() < 0.1 else 0.0)
    span = np.array([1.0, 1 / zoom]) if rng.random() < 0.5 or "in" in shot.camera else np.array([1 / zoom, 1.0])
    if "zooms out" in shot.camera:
        span = np.array([1 / zoom, 1.0])
    far = reach(shot.size, angle)
    span = span * min(1.0, width / (2 * far[0]), height / (2 * far[1]))
    low = np.stack([span * far[0], span * far[1]], 1)
    high = np.maximum(np.array([width, height]) - low, low)
    start = rng.uniform(low[0], high[0])
    if "pans" in shot.camera or shot.camera == "roams":
        way = rng.uniform(0, 2 * math.pi) if rng.random() < 0.5 else rng.integers(4) * math.pi / 2
        speed = FINE * max(shot.size) / 64 * np.exp(rng.uniform(math.log(0.15), math.log(4)))
        step = speed * shot.num_frames * np.array([math.cos(way), math.sin(way)])
        # Turn back from an edge that is near, so that a pan is a pan and not a stop.
        end = np.where((start + step < low[1]) | (start + step > high[1]), start - step, start + step)
    else:
        end = start
    end = end.clip(low[1], high[1])
    course = np.linspace(0, 1, shot.num_frames)
    if rng.random() < 0.4:
        course = course * course * (3 - 2 * course)  # slow at both ends
    place = start + course[:, None] * (end - start)
    return np.column_stack([place, span[0] * (span[1] / span[0]) ** course, angle[0] + turn * course])


def reach(size: tuple[int, int], angle: np.ndarray) -> np.ndarray:
    """How far the view reaches from its middle along x and y at most, in samples, from the first angle to the last."""
    angles = np.linspace(angle[0], angle[1], 9)
    across, up = np.abs(np.cos(angles)), np.abs(np.sin(angles))
    width, height = (side * FINE / 2 for side in size)
    return np.array([(width * across + height * up).max(), (width * up + height * across).max()])


def filmed(sheet: np.ndarray, camera: np.ndarray, size: tuple[int, int], padding: str = "reflection") -> np.ndarray:
    """The sheet (height, width, channels) as the camera sees it: float32 (frames, height, width, channels).

    camera: (frames, 4) as `camera_path` gives it. padding: what lies beyond the sheet, a mode of `grid_sample`.
    """
    picture = torch.from_numpy(np.ascontiguousarray(sheet.transpose(2, 0, 1), np.float32))[None]
    width, height = (side * FINE for side in size)
    across = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
    down = (torch.arange(height, dtype=torch.float32) - (height - 1) / 2)[:, None]
    frames = []
    for x, y, span, angle in camera.tolist():
        cos, sin = span * math.cos(angle), span * math.sin(angle)
        at = torch.stack([x + cos * across - sin * down, y + sin * across + cos * down], 2)
        at = 2 * at / torch.tensor([sheet.shape[1], sheet.shape[0]]) - 1
        seen = F.grid_sample(picture, at[None], mode="bicubic", padding_mode=padding, align_corners=False)
        frames.append(F.avg_pool2d(seen, FINE)[0])
    return torch.stack(frames).permute(0, 2, 3, 1).contiguous().numpy()
