"""Where the camera is in every frame, and where it sees a point: plain geometry, no renderer."""

from dataclasses import dataclass

import numpy as np

from patchworld.playroom.scene import Aim, Scene, Shot, Vector

SHORT_SIDE_FIELD = 50.0  # degrees seen along the shorter side, so portrait keeps the width that square has


@dataclass(frozen=True)
class View:
    """A camera: `position` and the unit vectors `forward`, `right`, `up` (3 each); `fovy`, `elevation` are degrees."""

    position: np.ndarray
    forward: np.ndarray
    right: np.ndarray
    up: np.ndarray
    fovy: float
    elevation: float


def vertical_field(width: int, height: int) -> float:
    """Vertical field of view in degrees for a picture of `width` x `height` pixels."""
    half = np.tan(np.radians(SHORT_SIDE_FIELD / 2)) * height / min(width, height)
    return float(np.degrees(2 * np.arctan(half)))


def shot_at(scene: Scene, frame: int) -> tuple[Shot, float]:
    """The shot that `frame` belongs to and how far it has gone, 0 to 1."""
    shots = scene.shots
    which = max(i for i, shot in enumerate(shots) if shot.start <= frame)
    end = shots[which + 1].start if which + 1 < len(shots) else scene.frames
    return shots[which], (frame - shots[which].start) / max(1, end - 1 - shots[which].start)


def view(scene: Scene, frame: int) -> View:
    """The camera of `frame`."""
    shot, progress = shot_at(scene, frame)
    begin, end = shot.begin, shot.end
    aim = Aim(
        begin.distance + (end.distance - begin.distance) * progress,
        begin.azimuth + (end.azimuth - begin.azimuth) * progress,
        begin.pan + (end.pan - begin.pan) * progress,
    )
    return look(aim, shot.target, shot.elevation, scene.width, scene.height)


def look(aim: Aim, target: Vector, elevation: float, width: int, height: int) -> View:
    """The camera `elevation` degrees above `target` with this aim, for a picture of `width` x `height` pixels."""
    turn, tilt = np.radians(aim.azimuth), np.radians(elevation)
    away = np.array((np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt), np.sin(tilt)))
    position = np.array(target) + aim.distance * away
    heading = turn - np.radians(aim.pan)  # a pan turns the camera on the spot
    forward = np.array((-np.sin(heading) * np.cos(tilt), np.cos(heading) * np.cos(tilt), -np.sin(tilt)))
    right = np.array((np.cos(heading), np.sin(heading), 0.0))
    up = np.array((-np.sin(heading) * np.sin(tilt), np.cos(heading) * np.sin(tilt), np.cos(tilt)))
    return View(position, forward, right, up, vertical_field(width, height), elevation)


def project(camera: View, points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixel coordinates (x right, y down) and depth in metres of `points` (n, 3): an (n, 3) array."""
    offset = np.asarray(points) - camera.position
    depth = np.maximum(offset @ camera.forward, 1e-3)
    focal = height / 2 / np.tan(np.radians(camera.fovy / 2))
    return np.stack(
        [width / 2 + focal * (offset @ camera.right) / depth, height / 2 - focal * (offset @ camera.up) / depth, depth],
        axis=1,
    )
