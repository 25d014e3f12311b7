"""Playing a scene: its pictures, captions, actions and the true state of every frame."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from patchworld.playroom.camera import project, shot_at, view
from patchworld.playroom.captions import Caption, captions
from patchworld.playroom.render import render
from patchworld.playroom.scene import GRAVITY, Scene
from patchworld.playroom.world import Trajectory, simulate
from patchworld.video import Clip


@dataclass(frozen=True)
class Episode:
    """A clip with everything that is known about it. `state` is what JSON can hold."""

    clip: Clip
    captions: list[Caption]
    actions: tuple[str, ...]
    state: dict[str, Any]


def play(scene: Scene) -> Episode:
    """Simulate and draw `scene`: the same scene gives the same episode, bit for bit, on one machine."""
    run = simulate(scene)
    frames, visible = render(scene, run)
    return Episode(Clip(frames, scene.fps), captions(scene), scene.actions, state(scene, run, visible))


def state(scene: Scene, run: Trajectory, visible: list[dict[str, int]]) -> dict[str, Any]:
    """Ground truth: the scene, and per frame poses, contacts, visibility, places in the picture, camera and flags.

    Lengths in metres, speeds in m/s, rotations as w x y z, places in pixels (x right, y down), angles in degrees.
    """
    return {
        "gravity": GRAVITY,
        "fps": scene.fps,
        "size": [scene.width, scene.height],
        "split": scene.split,
        "event": scene.event,
        "camera": scene.camera,
        "ground": scene.ground,
        "light": scene.light,
        "relation": scene.relation,
        "count": scene.count,
        "things": [asdict(thing) for thing in scene.things],
        "props": [asdict(prop) for prop in scene.props],
        "cuts": [shot.start for shot in scene.shots[1:]],
        "names": list(run.names),
        "frames": [_frame(scene, run, visible[i], i) for i in range(scene.frames)],
    }


def _frame(scene: Scene, run: Trajectory, visible: dict[str, int], frame: int) -> dict[str, Any]:
    camera = view(scene, frame)
    shot, _ = shot_at(scene, frame)
    return {
        "position": _round(run.position[frame]),
        "rotation": _round(run.rotation[frame]),
        "velocity": _round(run.velocity[frame]),
        "contacts": sorted(list(pair) for pair in run.contacts[frame]),
        "visible_pixels": visible,
        "picture": [_place(scene, camera, run, frame, i) for i in range(len(run.names))],
        "camera": {
            "position": _round(camera.position),
            "forward": _round(camera.forward),
            "up": _round(camera.up),
            "fovy": round(camera.fovy, 4),
            "shot": scene.shots.index(shot),
        },
        **run.flags[frame],
    }


def _place(scene: Scene, camera: Any, run: Trajectory, frame: int, body: int) -> dict[str, list[float]]:
    """Centre and box (left, top, right, bottom) of a body in the picture, in pixels, occlusion ignored."""
    half, shape = _extent(scene, run.names[body])
    centre = run.position[frame, body]
    if shape == "ball":
        corners = centre + half * np.concatenate(
            [signs[:, None] * axis for axis in (camera.right, camera.up) for signs in [_SIGNS]]
        )
    else:
        corners = (
            centre
            + (_CORNERS * np.array((half * (0.82 if shape == "cylinder" else 1.0),) * 2 + (half,)))
            @ _matrix(run.rotation[frame, body]).T
        )
    places = project(camera, np.vstack([centre, corners]), scene.width, scene.height)[:, :2]
    low, high = places[1:].min(0), places[1:].max(0)
    return {"centre": _round(places[0], 2), "box": _round(np.concatenate([low, high]), 2)}


_SIGNS = np.array((-1.0, 1.0))
_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)


def _extent(scene: Scene, name: str) -> tuple[float, str]:
    """Half the width of a body and its shape."""
    number = int(name[5:])
    if name.startswith("thing"):
        return scene.things[number].size / 2, scene.things[number].shape
    tower = next(prop for prop in scene.props if prop.kind == "tower")
    return tower.size[2] / tower.num_blocks / 2, "cube"


def _matrix(q: np.ndarray) -> np.ndarray:
    """Rotation matrix of the unit quaternion w x y z."""
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _round(values: np.ndarray, digits: int = 4) -> Any:
    return np.round(np.asarray(values, float), digits).tolist()
