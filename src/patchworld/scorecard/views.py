"""Judges of how the clip is seen: the camera moves as told, and the room holds still under it."""

import numpy as np

from patchworld.playroom.camera import View, look, project
from patchworld.playroom.scene import Scene
from patchworld.scorecard.answer import Answer
from patchworld.scorecard.reading import Blob, Reading
from patchworld.scorecard.stage import STATIONS, TARGET, elevation, find_path, focal, on_ground
from patchworld.scorecard.things import relations

ASTRAY = 0.06  # of the shorter side: how far a thing may be from where the camera's path puts it
GROWN = 1.35  # how many times larger or smaller it may be


def judge_camera(reading: Reading, scene: Scene) -> Answer:
    """The movement, found by how views of the ground fit into each other."""
    seen = find_path(reading).camera
    return Answer(seen == scene.camera, scene.camera, seen)


def judge_reprojection(reading: Reading, scene: Scene) -> Answer:
    """Things at rest are where the path of the camera puts what the first frame shows, and as large."""
    wanted = "all things in their places"
    path, size = find_path(reading), reading.clip.size
    if path.camera == "still":
        return Answer(False, wanted, "the camera does not move")
    frames = np.linspace(0, reading.clip.num_frames - 1, STATIONS).round().astype(int)[1:]
    first, *later = (look(aim, TARGET, elevation(reading), *size) for aim in path.aims)
    misses = []
    for thing in reading.blobs[0]:
        others = [other for other in reading.blobs[0] if other is not thing]
        if any("on top of" in relations(thing, other, reading.side) for other in others):
            continue  # what stands on another thing is not where its lower edge sees the ground
        centre, radius = _place(first, thing, size)
        misses += [
            _miss(reading, int(f), thing, first, camera, centre, radius)
            for f, camera in zip(frames, later, strict=True)
        ]
    known = [miss for miss in misses if miss is not None]
    if not known:
        return Answer(False, wanted, "nothing to see")
    worst = float(np.percentile(known, 80))
    return Answer(worst < ASTRAY, wanted, f"off by {worst:.0%} of the picture")


def _place(camera: View, thing: Blob, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Where a thing stands on the ground (3,), and half its width, in metres: its lower edge shows its near side."""
    near = on_ground(camera, np.array([[thing.x, thing.bottom]]), *size)[0]
    radius = thing.width / 2 * project(camera, near[None], *size)[0, 2] / focal(*size)
    return near + radius * _ahead(camera), float(radius)


def _ahead(camera: View) -> np.ndarray:
    """The level direction in which a camera looks."""
    return np.array((*camera.forward[:2], 0.0)) / np.hypot(*camera.forward[:2])


def _miss(
    reading: Reading, frame: int, thing: Blob, first: View, camera: View, centre: np.ndarray, radius: float
) -> float | None:
    """How far from its place a thing is seen, in shorter sides.

    1 where it is gone or of another size, None where it may have left the picture.
    """
    size = reading.clip.size
    x, y, depth = project(camera, (centre - radius * _ahead(camera))[None], *size)[0]
    if not 0.1 * size[0] < x < 0.9 * size[0] or y > size[1]:
        return None
    here = reading.of(thing.colour, frame)
    if not here:
        return 1.0
    nearest = min(here, key=lambda blob: abs(blob.x - x) + abs(blob.bottom - y))
    scale = project(first, (centre - radius * _ahead(first))[None], *size)[0, 2] / depth
    if not 1 / GROWN < np.sqrt(nearest.area / thing.area) / scale < GROWN:
        return 1.0
    return float(np.hypot(nearest.x - x, nearest.bottom - y)) / reading.side
