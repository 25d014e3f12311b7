"""What moves without physics: the mouth that bites the pie, the puffs of air that blow out the candle, flame and smoke.

All are functions of time, so any frame can be posed alone. Cause comes before effect: the bite is gone when the mouth
closes on it, the flame is out when the first puff reaches it.
"""

import numpy as np

from patchworld.playroom.mjcf import CANDLE_HEIGHT, FLAME_HEIGHT, NUM_PUFFS, PIE_HEIGHT, PIE_RADIUS
from patchworld.playroom.scene import Prop, Scene

AWAY = (0.0, 0.0, -40.0)
Poses = dict[str, tuple[float, float, float]]


def change_time(scene: Scene) -> float:
    """When the bite is taken or the flame goes out, in seconds: between two frames, once what was there has shown."""
    frame = max(3, round(min(0.42 * scene.seconds, 2.0) * scene.fps))
    return (frame - 0.5) / scene.fps


def bite(scene: Scene, pie: Prop, time: float) -> tuple[Poses, bool]:
    """Where the jaws are at `time`, and whether the pie is bitten."""
    if scene.event != "bites a pie":
        return {}, pie.state == "bitten"
    moment = change_time(scene)
    x, y = pie.position
    mouth = np.array((x, y - 0.72 * PIE_RADIUS, PIE_HEIGHT * 0.75))
    start = mouth + np.array((pie.side * 1.5, -0.35, 0.55))
    far = mouth + np.array((pie.side * 4.0, -0.9, 1.3))
    if time < moment:
        progress = _smooth(time / moment)
        place, gap = start + (mouth - start) * progress, 0.16 + 0.14 * progress
    else:
        # Leave as fast as the clip's length allows, but stay a moment with the mouth closed.
        leave = max(0.5, min(1.2, (scene.seconds - moment) * 0.8))
        progress = _smooth((time - moment) / leave)
        place, gap = mouth + (far - mouth) * progress, 0.09
    if time - moment > 2.0:
        return {"jaw_top": AWAY, "jaw_low": AWAY}, True
    top, low = place + np.array((0, 0, gap)), place - np.array((0, 0, gap))
    return {"jaw_top": tuple(top), "jaw_low": tuple(low)}, time >= moment


def blow(scene: Scene, candle: Prop, time: float) -> tuple[Poses, bool]:
    """Where flame, puffs and smoke are at `time`, and whether the candle is lit."""
    x, y = candle.position
    flame = np.array((x + 0.015 * np.sin(9 * time), y, CANDLE_HEIGHT + FLAME_HEIGHT))
    if scene.event != "blows out a candle":
        lit = candle.state == "lit"
        return {"flame": tuple(flame) if lit else AWAY}, lit
    moment = change_time(scene)
    lit = time < moment
    poses: Poses = {"flame": tuple(flame) if lit else AWAY}
    for i in range(NUM_PUFFS):
        distance = (moment - time + 0.16 * i) * puff_speed(scene)
        seen = -1.1 < distance < 2.2
        poses[f"puff{i}"] = (x + candle.side * distance, y, flame[2] + 0.07 * (i % 2)) if seen else AWAY
    since = time - moment - 0.15
    poses["smoke"] = (x, y, CANDLE_HEIGHT + 0.2 + 0.5 * since) if 0 <= since < 1.1 else AWAY
    return poses, lit


def puff_speed(scene: Scene) -> float:
    """Speed of the gust in m/s: it crosses from the edge of the picture to the flame before the flame goes out."""
    return 1.9 / change_time(scene)


def contacts(scene: Scene, prop: Prop, time: float) -> set[tuple[str, str]]:
    """What mouth and puffs touched in the frame that ends at `time`."""
    if not time - 1 / scene.fps < change_time(scene) <= time:
        return set()
    if scene.event == "bites a pie" and prop.kind == "pie":
        return {("mouth", "pie")}
    if scene.event == "blows out a candle" and prop.kind == "candle":
        return {("candle", "puff")}
    return set()


def _smooth(progress: float) -> float:
    progress = min(max(progress, 0.0), 1.0)
    return progress * progress * (3 - 2 * progress)
