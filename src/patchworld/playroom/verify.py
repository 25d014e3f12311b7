"""Did it happen? Judges a simulated scene by its state alone, so that a caption is only written for what took place."""

from collections.abc import Callable

import numpy as np

from patchworld.playroom.actions import SHORTEST_HELD, held_from
from patchworld.playroom.camera import View, project, view
from patchworld.playroom.scene import Scene, Thing
from patchworld.playroom.world import Trajectory

IN_VIEW = 0.85  # share of the frames in which the subject's centre must be in the picture


def happened(scene: Scene, run: Trajectory) -> bool:
    """Whether everything in `scene` starts well placed and its event takes place in view."""
    return (
        well_placed(scene)
        and (stays_in_view(scene, run) or held_from(scene.actions) is not None)
        and undisturbed(scene, run)
        and _CHECKS[scene.event](scene, run)
    )


def discs(scene: Scene, camera: View, positions: np.ndarray) -> np.ndarray:
    """Centre x, y, radius (pixels) and depth (metres) of each thing in the picture: (things, 4)."""
    if not len(scene.things):
        return np.zeros((0, 4))
    places = project(camera, positions[: len(scene.things)], scene.width, scene.height)
    focal = scene.height / 2 / np.tan(np.radians(camera.fovy / 2))
    radii = focal * np.array([t.size / 2 for t in scene.things]) / places[:, 2]
    return np.column_stack([places[:, :2], radii, places[:, 2]])


def well_placed(scene: Scene) -> bool:
    """At the start nothing is cut off by the edge or mostly hidden by another thing, and the relation is true."""
    seen = discs(scene, view(scene, 0), np.array([t.position for t in scene.things]).reshape(-1, 3))
    slack = 0.75  # a moving subject may start slightly cut off
    for x, y, radius, _ in seen:
        if not (
            slack * radius <= x <= scene.width - slack * radius and slack * radius <= y <= scene.height - slack * radius
        ):
            return False
    for i, a in enumerate(seen):
        for b in seen[:i]:
            if scene.relation != "on top of" and np.hypot(a[0] - b[0], a[1] - b[1]) < 0.9 * max(a[2], b[2]):
                return False
    if scene.relation in ("to the left of", "to the right of") and len(seen) > scene.count:
        gap = seen[scene.count][0] - seen[0][0]
        if (gap if scene.relation == "to the left of" else -gap) < 0.12 * min(scene.width, scene.height):
            return False
    return True


def stays_in_view(scene: Scene, run: Trajectory) -> bool:
    """The subject's centre is in the picture for most of the clip (a target may fly off when it is hit)."""
    if not scene.things:
        return True
    inside = 0
    for frame in range(scene.frames):
        x, y, *_ = discs(scene, view(scene, frame), run.position[frame])[0]
        inside += 0 <= x <= scene.width and 0 <= y <= scene.height
    return inside >= IN_VIEW * scene.frames


def undisturbed(scene: Scene, run: Trajectory) -> bool:
    """Nothing touches what the event does not say it touches."""
    allowed = {
        "hits": {("thing0", "thing1")},
        "knocks over a tower": {("block", "thing0"), ("block", "block")},
        "rolls down a ramp": {("ramp", "thing0")},
        "bites a pie": {("mouth", "pie")},
        "blows out a candle": {("candle", "puff")},
        "rests": {("block", "block"), ("thing0", "thing1")} if scene.relation == "on top of" else {("block", "block")},
    }.get(scene.event, set())
    for pairs in run.contacts:
        for a, b in pairs:
            pair = tuple(name.rstrip("0123456789") if name.startswith("block") else name for name in (a, b))
            if "ground" not in pair and pair not in allowed:
                return False
    return True


def _rests(scene: Scene, run: Trajectory) -> bool:
    return bool(np.all(np.abs(run.position - run.position[0]) < 0.04)) if run.position.size else True


def _falls(scene: Scene, run: Trajectory) -> bool:
    z = run.position[:, 0, 2]
    landed = next((i for i, pairs in enumerate(run.contacts) if ("ground", "thing0") in pairs), None)
    if landed is None or landed < 2 or landed > scene.frames - 3:
        return False
    return bool(z[landed:].max() - scene.things[0].size / 2 > 0.12)


def _rolls(sign: int) -> Callable[[Scene, Trajectory], bool]:
    def check(scene: Scene, run: Trajectory) -> bool:
        first = discs(scene, view(scene, 0), run.position[0])[0]
        last = discs(scene, view(scene, scene.frames - 1), run.position[-1])[0]
        return bool(sign * (last[0] - first[0]) > 0.2 * min(scene.width, scene.height))

    return check


def hidden_by_wall(scene: Scene, camera: View, position: np.ndarray, thing: Thing) -> float:
    """How deep the disc of `thing` lies inside the picture of the wall, in radii: > 1 all hidden, < -1 all free."""
    wall = scene.props[0]
    (x, y), (width, depth, height) = wall.position, wall.size
    near = y - depth / 2
    corners = np.array(
        [
            (x - width / 2, near, 0),
            (x + width / 2, near, 0),
            (x - width / 2, near, height),
            (x + width / 2, near, height),
        ]
    )
    left, right, top_left, top_right = project(camera, corners, scene.width, scene.height)
    centre = project(camera, position[None], scene.width, scene.height)[0]
    focal = scene.height / 2 / np.tan(np.radians(camera.fovy / 2))
    radius = focal * thing.size / 2 / centre[2]
    sideways = min(centre[0] - max(left[0], top_left[0]), min(right[0], top_right[0]) - centre[0])
    return float(min(sideways, centre[1] - max(top_left[1], top_right[1])) / radius)


def _behind_wall(scene: Scene, run: Trajectory) -> bool:
    depth = [hidden_by_wall(scene, view(scene, f), run.position[f, 0], scene.things[0]) for f in range(scene.frames)]
    hidden = [d > 0.98 for d in depth]
    crossed = run.position[-1, 0, 0] * run.position[0, 0, 0] < 0
    return depth[0] < -0.9 and depth[-1] < -0.8 and any(hidden) and bool(crossed)


def _hits(scene: Scene, run: Trajectory) -> bool:
    met = next((i for i, pairs in enumerate(run.contacts) if ("thing0", "thing1") in pairs), None)
    moved = np.linalg.norm(run.position[-1, 1] - run.position[0, 1])
    return (
        met is not None
        and 2 <= met <= scene.frames - 3
        and bool(moved > (0.6 if scene.things[1].shape == "ball" else 0.3))
    )


def _ramp(scene: Scene, run: Trajectory) -> bool:
    on_ramp = [("ramp", "thing0") in pairs for pairs in run.contacts]
    on_ground = [("ground", "thing0") in pairs for pairs in run.contacts]
    return sum(on_ramp) >= 4 and sum(on_ground) >= 2 and not on_ground[0]


def _topples(scene: Scene, run: Trajectory) -> bool:
    met = any(a.startswith("block") and b == "thing0" for pairs in run.contacts for a, b in pairs)
    tower = scene.props[0]
    top = run.position[-1, len(scene.things) + tower.num_blocks - 1]
    aside = np.hypot(*(top[:2] - tower.position))
    return met and bool(top[2] < 0.6 * tower.size[2] and aside > 0.5 * tower.size[0])


def _changes(flag: str, before: bool) -> Callable[[Scene, Trajectory], bool]:
    def check(scene: Scene, run: Trajectory) -> bool:
        values = [flags[flag] for flags in run.flags]
        return values[0] == before and values[-1] != before

    return check


def _pushed(scene: Scene, run: Trajectory) -> bool:
    if all(action == "none" for action in scene.actions[:-2]):
        return False
    held = held_from(scene.actions)
    for frame in range(scene.frames if held is None else held + SHORTEST_HELD):  # then it may leave the stage
        x, y, radius, _ = discs(scene, view(scene, frame), run.position[frame])[0]
        if not (0.3 * radius <= x <= scene.width - 0.3 * radius and 0 <= y <= scene.height - 0.3 * radius):
            return False
    return True


_CHECKS: dict[str, Callable[[Scene, Trajectory], bool]] = {
    "rests": _rests,
    "falls and bounces": _falls,
    "rolls to the left": _rolls(-1),
    "rolls to the right": _rolls(1),
    "rolls behind a wall": _behind_wall,
    "hits": _hits,
    "rolls down a ramp": _ramp,
    "knocks over a tower": _topples,
    "bites a pie": _changes("bitten", False),
    "blows out a candle": _changes("lit", True),
    "is pushed": _pushed,
}
