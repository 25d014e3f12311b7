"""The stage: where in the room a pixel lies, and which camera path a clip was taken on.

The playroom's cameras stand about 4.7 m from its middle. How far they look down is read from the horizon.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from patchworld.playroom.camera import View, look
from patchworld.playroom.scene import CAMERAS, Aim, Vector
from patchworld.scorecard.reading import Reading
from patchworld.scorecard.sight import LABELS

TARGET: Vector = (0.0, 0.0, 0.85)
DISTANCE = 4.75
STEEP = 24.0  # degrees that a camera looks down at least when no horizon is seen
HAZE = 1.8  # degrees below the horizon in which the ground fades into the sky
ELEVATIONS = (16.0, 28.0)
STATIONS = 5  # frames of a clip that are compared, the first and the last among them
MOST_DIFFERENCE = 0.15  # of brightness: more than that is a thing that hides the ground, and counts no more
BELOW_HORIZON = 0.06  # of the shorter side; nearer to the horizon the ground is too far away to be compared


def elevation(reading: Reading) -> float:
    """How far the camera looks down in the first frame, in degrees."""
    width, height = reading.clip.size
    sky = (reading.labels[0] == LABELS.index("sky")).mean(1) > 0.5
    rows = int(np.argmin(sky)) if sky[0] else 0
    if rows == 0:
        return STEEP
    angle = float(np.degrees(np.arctan((height / 2 - rows) / focal(width, height)))) + HAZE
    return float(np.clip(angle, *ELEVATIONS))


def focal(width: int, height: int) -> float:
    """Focal length in pixels."""
    return min(width, height) / 2 / np.tan(np.radians(25))


def stand(reading: Reading, aim: Aim | None = None) -> View:
    """The camera of a reading, straight ahead unless `aim` says otherwise."""
    return look(aim or Aim(DISTANCE, 0.0, 0.0), TARGET, elevation(reading), *reading.clip.size)


def rays(view: View, points: np.ndarray, width: int, height: int) -> np.ndarray:
    """The way (n, 3) from the camera through pixels (n, 2), one metre deep."""
    length = focal(width, height)
    across, up = (points[:, 0] - width / 2) / length, (height / 2 - points[:, 1]) / length
    return view.forward + across[:, None] * view.right + up[:, None] * view.up


def on_ground(view: View, points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Where pixels (n, 2) see the ground: (n, 3) in metres; beyond 60 m where they see the sky."""
    way = rays(view, points, width, height)
    return view.position + way * (view.position[2] / np.maximum(-way[:, 2:], view.position[2] / 60))


def in_upright_plane(view: View, points: np.ndarray, away: float, width: int, height: int) -> np.ndarray:
    """Where pixels (n, 2) see the upright plane y = `away`: (n, 3) in metres."""
    way = rays(view, points, width, height)
    return view.position + way * ((away - view.position[1]) / way[:, 1:2])


@dataclass(frozen=True)
class Path:
    """A camera movement by its word, and its aims at STATIONS moments from the first frame to the last."""

    camera: str
    aims: tuple[Aim, ...]


@lru_cache(maxsize=1)
def paths() -> tuple[Path, ...]:
    """The movements that a playroom's camera can make, each in a few sizes."""
    share = np.linspace(0, 1, STATIONS)
    ends: list[tuple[str, Aim, Aim]] = []
    ahead = Aim(DISTANCE, 0.0, 0.0)
    for sign, side in ((-1, "left"), (1, "right")):
        ends += [(f"orbits {side}", ahead, Aim(DISTANCE, sign * turn, 0.0)) for turn in (30.0, 35.0, 40.0, 45.0)]
        wide = 1.12 * DISTANCE
        ends += [
            (f"pans {side}", Aim(wide, 0, -sign * swing), Aim(wide, 0, sign * swing)) for swing in (8.0, 9.5, 11.0)
        ]
    ends.append(("moves in", Aim(1.32 * DISTANCE, 0, 0), Aim(0.86 * DISTANCE, 0, 0)))
    ends.append(("moves out", Aim(0.9 * DISTANCE, 0, 0), Aim(1.38 * DISTANCE, 0, 0)))
    ends.append(("still", ahead, ahead))
    assert {name for name, _, _ in ends} == set(CAMERAS)
    return tuple(Path(name, tuple(_between(begin, end, part) for part in share)) for name, begin, end in ends)


def _between(begin: Aim, end: Aim, part: float) -> Aim:
    mixed = [a + (b - a) * part for a, b in zip(vars(begin).values(), vars(end).values(), strict=True)]
    return Aim(*(float(value) for value in mixed))


@lru_cache(maxsize=2)  # two judges ask for it
def find_path(reading: Reading) -> Path:
    """The movement whose views of the ground agree best: each station is held against the ground the one before saw."""
    frames = np.linspace(0, reading.clip.num_frames - 1, STATIONS).round().astype(int)
    pictures = reading.clip.frames[frames].astype(np.float32) / 255
    tilt = elevation(reading)
    ground = reading.labels[frames] == LABELS.index("ground")
    miss = [_disagreement(pictures, ground, path, tilt, reading.clip.size) for path in paths()]
    return paths()[int(np.argmin(miss))]


def _disagreement(pictures: np.ndarray, ground: np.ndarray, path: Path, tilt: float, size: tuple[int, int]) -> float:
    """Mean difference of brightness where two stations see the same ground, if the camera took this path."""
    width, height = size
    views = [look(aim, TARGET, tilt, width, height) for aim in path.aims]
    points = _pixels(width, height)
    horizon = height / 2 - focal(width, height) * np.tan(np.radians(tilt)) + BELOW_HORIZON * min(size)
    total = 0.0
    for number, (earlier, later) in enumerate(pairwise(views)):
        seen = ground[number + 1].ravel() & (points[:, 1] > horizon)
        offset = on_ground(later, points[seen], width, height) - earlier.position
        depth = np.maximum(offset @ earlier.forward, 1e-3)
        x = width / 2 + focal(width, height) * (offset @ earlier.right) / depth - 0.5
        y = height / 2 - focal(width, height) * (offset @ earlier.up) / depth - 0.5
        inside = (x >= 0) & (x <= width - 1) & (y >= horizon) & (y <= height - 1)
        x, y = x[inside], y[inside]
        on = ground[number][y.round().astype(int), x.round().astype(int)]
        before = _bilinear(pictures[number], x[on], y[on])
        after = pictures[number + 1].reshape(-1, 3)[seen][inside][on]
        difference = np.minimum(np.abs(before - after).mean(1), MOST_DIFFERENCE)
        total += float(difference.mean()) if len(difference) else MOST_DIFFERENCE
    return total


@lru_cache(maxsize=8)
def _pixels(width: int, height: int) -> np.ndarray:
    """The centres of all pixels, row by row: (height * width, 2)."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x.ravel(), y.ravel()], 1)


def _bilinear(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values (n, 3) of a picture (h, w, 3) between its pixels."""
    left = np.clip(np.floor(x).astype(int), 0, picture.shape[1] - 2)
    top = np.clip(np.floor(y).astype(int), 0, picture.shape[0] - 2)
    right, low = (x - left)[:, None], (y - top)[:, None]
    upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
    lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
    return upper * (1 - low) + lower * low
