"""Judges of what happens: falling, rolling, hitting, hiding, being pushed, and staying the same.

Like all judges they see a reading, which comes from pixels alone, and the scene as the prompt tells it.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from patchworld.playroom.actions import PUSH_SPEED
from patchworld.playroom.camera import View
from patchworld.playroom.scene import GRAVITY, Scene
from patchworld.scorecard.answer import Answer, joined
from patchworld.scorecard.prompts import deeds
from patchworld.scorecard.reading import Blob, Reading
from patchworld.scorecard.stage import in_upright_plane, on_ground, stand
from patchworld.scorecard.things import all_colours

WITHIN = 0.25  # of the true gravity that a fitted one may be off in one clip
CONTACT = 0.07  # of the shorter side: how near two things are that touch, one frame of motion included
MOVED = 0.035  # of the shorter side: what is no longer where it was
CUT = 1.9  # how many times more changes at a cut than elsewhere
NEAR = 3  # frames around a cut: one that fades over fewer is a cut
LASTING = 0.8  # share of the frames in which a thing that is there is seen, others passing in front of it


def path(reading: Reading, colour: str) -> np.ndarray:
    """Where the largest thing of a colour is: (frames, 4) x, y, bottom and area, in pixels, nan where it is not."""
    found = [reading.of(colour, frame)[:1] for frame in range(reading.clip.num_frames)]
    return np.array([(b[0].x, b[0].y, b[0].bottom, b[0].area) if b else (np.nan,) * 4 for b in found], float)


def judge_direction(reading: Reading, scene: Scene) -> Answer:
    """The way the subject goes in the picture, from the first frame that shows it to the last."""
    wanted = scene.event.split()[-1]
    x = path(reading, scene.things[0].colour)[:, 0]
    x = x[~np.isnan(x)]
    went = (x[-1] - x[0]) / reading.side if len(x) else 0.0
    seen = "nowhere" if abs(went) < 0.1 else "right" if went > 0 else "left"
    return Answer(seen == wanted, wanted, seen)


@dataclass(frozen=True)
class Fall:
    """A fall and what follows: heights in metres of the subject's centre, and the frame in which it is down."""

    heights: np.ndarray
    landing: int

    @property
    def drop(self) -> float:
        return float(self.heights[0] - self.heights[self.landing])

    @property
    def rebounds(self) -> list[float]:
        """How high it comes after each landing, in shares of the drop."""
        after = self.heights[self.landing :] - self.heights[self.landing]
        tops = [i for i in range(1, len(after) - 1) if after[i - 1] <= after[i] > after[i + 1]]
        return [float(after[i] / self.drop) for i in tops if after[i] > 0.03 * self.drop]


def find_fall(reading: Reading, colour: str) -> Fall | None:
    """The fall of a thing, if it falls at all: heights in the upright plane in which it lands."""
    places = path(reading, colour)
    if np.isnan(places[:, 0]).any():
        return None
    first_half = places[: 2 + len(places) * 2 // 3]
    landing = _first_low(first_half[:, 1], reading.side)
    if landing is None:
        return None
    camera, size = stand(reading), reading.clip.size
    away = on_ground(camera, places[landing][None, [0, 2]], *size)[0, 1]
    return Fall(in_upright_plane(camera, places[:, :2], away, *size)[:, 2], landing)


def _first_low(y: np.ndarray, side: int) -> int | None:
    """The first frame in which what falls is lowest, after at least a sixth of the shorter side."""
    for i in range(2, len(y) - 1):
        if y[i] - y[0] > side / 6 and y[i] >= y[i - 1] and y[i] > y[i + 1]:
            return i
    return None


def judge_gravity(reading: Reading, scene: Scene) -> Answer:
    """Gravity, fitted to the heights of a free fall from rest: z = z0 - g t^2 / 2."""
    wanted = f"{GRAVITY} m/s2 within {WITHIN:.0%}"
    fall = find_fall(reading, scene.things[0].colour)
    if fall is None:
        return Answer(False, wanted, "no fall")
    time = np.arange(fall.landing) / reading.clip.fps
    gravity, miss = _line(time**2 / 2, fall.heights[: fall.landing])
    if miss > _line(time, fall.heights[: fall.landing])[1]:
        return Answer(False, wanted, "falls at one speed", gravity)
    return Answer(abs(gravity - GRAVITY) < WITHIN * GRAVITY, wanted, f"{gravity:.1f} m/s2", gravity)


def _line(x: np.ndarray, heights: np.ndarray) -> tuple[float, float]:
    """How steeply heights fall along x, and the mean squared error of that line."""
    slope, start = np.polyfit(x, heights, 1)
    return -float(slope), float(((start + slope * x - heights) ** 2).mean())


def judge_bounces(reading: Reading, scene: Scene) -> Answer:
    """It comes up again, less high than it fell, and each time less high than before."""
    fall = find_fall(reading, scene.things[0].colour)
    if fall is None:
        return Answer(False, "bounces that fade", "no fall")
    heights = fall.rebounds
    fade = all(later < 1.05 * earlier for earlier, later in pairwise(heights))
    seen = " then ".join(f"{height:.0%}" for height in heights) or "no rebound"
    return Answer(bool(heights) and heights[0] < 0.9 and fade, "bounces that fade", seen)


def judge_fall(reading: Reading, scene: Scene) -> Answer:
    """The subject comes down and goes up again."""
    fall = find_fall(reading, scene.things[0].colour)
    seen = "no fall" if fall is None else "falls and bounces" if fall.rebounds else "falls"
    return Answer(seen == scene.event, scene.event, seen)


def judge_hit(reading: Reading, scene: Scene) -> Answer:
    """The target is moved."""
    away = _displacement(path(reading, scene.things[1].colour)) / reading.side
    moved = bool(np.nanmax(away, initial=0.0) > 2 * MOVED)
    return Answer(moved, "the target is moved", "it is" if moved else "it stays")


def judge_contact(reading: Reading, scene: Scene) -> Answer:
    """The target stays until the subject touches it, then moves."""
    wanted = "moved by contact"
    one, two = (thing.colour for thing in scene.things[:2])
    away = _displacement(path(reading, two)) / reading.side
    moving = np.flatnonzero(away > MOVED)
    if not len(moving) or np.nanmax(away, initial=0.0) < 2 * MOVED:
        return Answer(False, wanted, "it stays")
    start = int(moving[0])
    gaps = [_gap(a, b) / reading.side for a, b in _both(reading, one, two, range(max(start - 2, 0), start + 2))]
    apart = [_gap(a, b) / reading.side for a, b in _both(reading, one, two, range(1))]
    if not gaps or not apart:
        return Answer(False, wanted, "one of them is missing")
    touched, came = min(gaps) <= CONTACT, apart[0] > min(gaps)
    seen = wanted if touched and came else "moved without contact" if not touched else "nothing comes near"
    return Answer(touched and came, wanted, seen)


def _displacement(places: np.ndarray) -> np.ndarray:
    """How far (frames,) from where it first was."""
    there = np.flatnonzero(~np.isnan(places[:, 0]))
    if not len(there):
        return np.full(len(places), np.nan)
    return np.hypot(*(places[:, :2] - places[there[0], :2]).T)


def _both(reading: Reading, one: str, two: str, frames: range) -> list[tuple[Blob, Blob]]:
    inside = [f for f in frames if f < reading.clip.num_frames]
    return [(a[0], b[0]) for f in inside if (a := reading.of(one, f)) and (b := reading.of(two, f))]


def _gap(a: Blob, b: Blob) -> float:
    """Pixels between the boxes of two blobs, 0 where they meet."""
    across, down = max(a.left - b.right, b.left - a.right, 0), max(a.top - b.bottom, b.top - a.bottom, 0)
    return float(np.hypot(across, down))


def judge_hiding(reading: Reading, scene: Scene) -> Answer:
    """The ball is on one side of the wall, then not to be seen, then on the other."""
    seen = _hiding(reading, scene.things[0].colour)
    return Answer(seen.happens, "behind the wall and out", seen.words)


def judge_permanence(reading: Reading, scene: Scene) -> Answer:
    """It comes out again as what it was, as large, and when its speed before says."""
    seen = _hiding(reading, scene.things[0].colour)
    same = seen.happens and 0.5 < seen.growth < 2 and abs(seen.late) < 0.3
    words = (
        f"{seen.words}, {seen.growth:.1f} times as large, off by {seen.late:.0%} of its way"
        if seen.happens
        else seen.words
    )
    return Answer(same, "out again, the same, in time", words)


@dataclass(frozen=True)
class Hiding:
    """Whether a thing goes behind the wall and comes out, and how: see judge_permanence."""

    happens: bool
    words: str
    growth: float = 0.0
    late: float = 0.0


def _hiding(reading: Reading, colour: str) -> Hiding:
    """Places are measured in widths of the wall from its middle, so that the camera may come nearer."""
    frames = range(reading.clip.num_frames)
    walls = [reading.props(frame, "wall")[:1] for frame in frames]
    if not all(walls):
        return Hiding(False, "no wall")
    places = path(reading, colour)
    width = np.array([wall[0].width for wall in walls], float)
    x = (places[:, 0] - [(wall[0].left + wall[0].right) / 2 for wall in walls]) / width
    area = np.nan_to_num(places[:, 3]) / width**2
    free = (np.abs(x) > 0.5) & (area > 0.6 * np.nanmax(area, initial=0.0)) & (area > 0)
    hidden = np.flatnonzero(area < 0.2 * np.nanmax(area, initial=0.0))
    if not len(hidden):
        return Hiding(False, "never hidden" if len(area) and area.any() else "no ball")
    before, after = np.flatnonzero(free[: hidden[0]]), hidden[0] + np.flatnonzero(free[hidden[0] :])
    if not len(before):
        return Hiding(False, "not seen before it is hidden")
    if not len(after):
        return Hiding(False, "does not come out")
    if x[before[0]] * x[after[-1]] > 0:
        return Hiding(False, "comes out where it went in")
    growth = float(np.median(area[after]) / np.median(area[before]))
    way = x[after[-1]] - x[before[0]]
    if len(before) < 2:
        return Hiding(True, "behind the wall and out", growth)
    slope, start = np.polyfit(before, x[before], 1)
    return Hiding(True, "behind the wall and out", growth, float(np.mean(start + slope * after - x[after]) / way))


def judge_stays_itself(reading: Reading, scene: Scene) -> Answer:
    """What is told of is there all the time, in its colours, and nothing joins it."""
    frames = range(reading.clip.num_frames)
    start = reading.colours(frames[:3])
    share = {c: np.mean([bool(reading.of(c, f)) for f in frames]) for c in start | reading.colours(frames)}
    lost = {c for c in start if share[c] < LASTING}
    joined_in = {c for c in set(share) - start if share[c] > 1 - LASTING}
    told = ([f"loses {joined(lost)}"] if lost else []) + ([f"gains {joined(joined_in)}"] if joined_in else [])
    right = all_colours(scene) <= start and not told
    return Answer(right, f"{joined(all_colours(scene))} all the time", "; ".join([joined(start), *told]))


def judge_cut(reading: Reading, scene: Scene) -> Answer:
    """There is one cut, and the things after it have the colours of those before."""
    wanted, pictures = "a cut to the same things", reading.clip.frames.astype(np.float32)
    num = len(pictures)
    # What moves changes few pixels; a cut changes most of them, and for longer than a frame.
    times = range(NEAR, num - NEAR + 1)
    change = np.array([_changed(pictures[t - NEAR : t].mean(0), pictures[t : t + NEAR].mean(0)) for t in times])
    peak = int(change.argmax())
    others = np.delete(change, range(max(0, peak - NEAR), min(peak + NEAR + 1, len(change))))
    if change[peak] < CUT * max(others.max(initial=0), 1.0):
        return Answer(False, wanted, "no cut")
    cut = times[peak]
    before, after = (reading.colours(part) for part in (range(cut - NEAR + 1), range(cut + NEAR - 1, num)))
    return Answer(before == after and bool(before), wanted, f"{joined(before)} before, {joined(after)} after")


def _changed(one: np.ndarray, other: np.ndarray) -> float:
    """By how much, of 255, two fifths of the pixels differ at least."""
    return float(np.quantile(np.abs(one - other).max(-1), 0.6))


def judge_rest(reading: Reading, scene: Scene) -> Answer:
    """Nothing moves."""
    far = [np.nanmax(_displacement(path(reading, thing.colour)), initial=0.0) for thing in scene.things]
    gone = [thing.colour for thing in scene.things if not reading.of(thing.colour, 0)]
    moves = max(far, default=0.0) > MOVED * reading.side
    return Answer(not moves and not gone, "rests", f"{joined(gone)} missing" if gone else "moves" if moves else "rests")


def judge_ramp(reading: Reading, scene: Scene) -> Answer:
    """There is a ramp, and the subject comes down from it to the side."""
    places = path(reading, scene.things[0].colour)[:, :3]
    places = places[~np.isnan(places[:, 0])] / reading.side
    if not reading.props(0, "ramp") or len(places) < 2:
        return Answer(False, scene.event, "no ramp" if len(places) > 1 else "no ball")
    down, across = places[-1, 1] - places[0, 1], abs(places[-1, 0] - places[0, 0])
    seen = scene.event if down > 0.05 and across > 0.1 else "does not roll down"
    return Answer(seen == scene.event, scene.event, seen)


DEEDS = {"push left": (-1, 0, 0), "push right": (1, 0, 0), "push away": (0, 1, 0), "push towards": (0, -1, 0)}
JUMP = 0.15  # metres that a jump lifts at least
OBEYED = 0.3  # of the change of speed that a push is to give


def judge_actions(reading: Reading, scene: Scene) -> Answer:
    """Each action changes the speed of the ball its own way."""
    places = path(reading, scene.things[0].colour)
    camera = stand(reading)
    wanted, seen = [], []
    for start, length, action in deeds(scene, reading.clip.num_frames):
        wanted.append(action)
        seen.append(action if _obeyed(places, camera, reading, start, length, action) else f"no {action}")
    return Answer(wanted == seen and bool(seen), ", ".join(wanted), ", ".join(seen))


def _obeyed(places: np.ndarray, camera: View, reading: Reading, start: int, length: int, action: str) -> bool:
    size, fps = reading.clip.size, reading.clip.fps
    x, y, _, area = places[max(start - 1, 0) : start + length + 3].T
    if np.isnan(x).any():
        return False
    touching = np.stack([x, y + np.sqrt(area / np.pi)], 1)  # where a ball meets the ground, finer than whole pixels
    ground = on_ground(camera, touching, *size)
    lead = min(start, 1)
    if action not in ("push away", "push towards"):
        ground = in_upright_plane(camera, np.stack([x, y], 1), ground[lead, 1], *size)
    if action == "jump":
        return bool(ground[lead:, 2].max() - ground[lead, 2] > JUMP)
    before = (ground[lead] - ground[0]) * fps if lead else np.zeros(3)
    after = (ground[lead + length + 1] - ground[lead + length]) * fps
    return float((after - before) @ DEEDS[action]) > OBEYED * PUSH_SPEED * length
