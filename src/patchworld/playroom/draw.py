"""Chance: draws the description of a scene from numbers. Pure; whether the event then happens is checked elsewhere."""

from dataclasses import replace

import numpy as np

from patchworld.playroom.actions import SHORTEST_HELD
from patchworld.playroom.layouts import LAYOUTS
from patchworld.playroom.scene import (
    CAMERAS,
    COLOURS,
    CUTS,
    DEFAULT_FPS,
    GROUNDS,
    HELD_OUT,
    LIGHTS,
    Aim,
    Scene,
    Shot,
    Thing,
    Vector,
)

# event -> (weight, fewest frames in which it can be seen)
EVENT_ODDS = {
    "rests": (0.20, 1),
    "falls and bounces": (0.13, 9),
    "rolls to the left": (0.095, 5),
    "rolls to the right": (0.095, 5),
    "rolls behind a wall": (0.08, 13),
    "hits": (0.09, 9),
    "rolls down a ramp": (0.06, 13),
    "knocks over a tower": (0.06, 13),
    "bites a pie": (0.06, 9),
    "blows out a candle": (0.05, 9),
    "is pushed": (0.08, 9),
}
# Events that can show a cube or a cylinder, and so a held-out thing.
HELD_OUT_EVENTS = (
    "rests",
    "falls and bounces",
    "rolls to the left",
    "rolls to the right",
    "hits",
    "blows out a candle",
    "is pushed",
)
ATTEMPTS_PER_EVENT = 60
# Rolling resistance, as a rate of slowing per second, where a ball would otherwise leave the picture.
DRAG = {"rolls down a ramp": 0.9, "is pushed": 0.8, "hits": 0.35, "knocks over a tower": 0.3}
HELD = 0.35  # share of the clips of pushes in which one is held: a player who holds a key down for long
MOVING_CAMERA = 0.35
CUT = 0.08
FRAMES_OF_CUT = 17  # the fewest of a clip with a cut
CUT_EVENTS = ("rests", "falls and bounces", "hits", "knocks over a tower", "bites a pie", "blows out a candle")
CAMERAS_OF_EVENT = {"rolls behind a wall": ("still", "moves in", "moves out"), "is pushed": ("still",)}


def draw_scene(
    seed: int,
    index: int,
    attempt: int,
    *,
    split: str,
    frames: int,
    size: tuple[int, int],
    event: str | None,
    camera: str | None,
    cut: str | None,
) -> Scene:
    """One candidate for the scene number `index`; other attempts give other candidates."""
    rng = np.random.default_rng((seed, index, attempt))
    # The event seldom changes with the attempt: otherwise hard events would become rare.
    luck = np.random.default_rng((seed, index, 1 << 32, attempt // ATTEMPTS_PER_EVENT))
    chosen = event or _event(luck, frames, split, CUT_EVENTS if cut else tuple(EVENT_ODDS))
    bare, props, relation, count = LAYOUTS[chosen](rng, (frames - 1) / DEFAULT_FPS)
    things = _dress(rng, bare, count, split, {prop.colour for prop in props})
    view = _elevation(chosen, relation)
    shots = _shots(rng, chosen, frames, camera, cut, view, size)
    drag = DRAG.get(chosen, 0.0)
    if chosen == "rolls down a ramp" and frames > 33:
        drag = 1.8  # there is time to roll out of the picture
    return Scene(
        seed=seed,
        index=index,
        split=split,
        width=size[0],
        height=size[1],
        frames=frames,
        event=chosen,
        things=things,
        props=props,
        ground=str(rng.choice(GROUNDS)),
        light=str(rng.choice(LIGHTS, p=(0.5, 0.25, 0.25))),
        shots=shots,
        actions=_actions(rng, luck, frames, things[0].position) if chosen == "is pushed" else ("none",) * frames,
        relation=relation,
        count=count,
        rolling_drag=drag,
        sun_azimuth=float(rng.choice((-1, 1)) * rng.uniform(35, 75)),
        attempt=attempt,
    )


def _event(rng: np.random.Generator, frames: int, split: str, known: tuple[str, ...]) -> str:
    shown = HELD_OUT_EVENTS if split == "held_out" else EVENT_ODDS
    names = [name for name in shown if name in known and frames >= EVENT_ODDS[name][1]]
    odds = np.array([EVENT_ODDS[name][0] for name in names])
    return str(rng.choice(names, p=odds / odds.sum()))


def _dress(rng: np.random.Generator, things: list[Thing], count: int, split: str, taken: set[str]) -> tuple[Thing, ...]:
    """Give the things colours: the counted ones the same, all others different and not `taken`; mind the split."""
    colours = [str(c) for c in rng.permutation(COLOURS) if c not in taken]
    groups = [0 if i < count else i - count + 1 for i in range(len(things))]
    if split == "held_out" and things:
        chosen = int(rng.integers(max(groups) + 1))
        member = groups.index(chosen)
        fits = [c for c, shape in HELD_OUT if shape == things[member].shape and c in colours]  # a tower may have it
        if fits:
            colours.remove(fits[0])
            colours.insert(chosen, fits[0])
    return tuple(replace(thing, colour=colours[group]) for thing, group in zip(things, groups, strict=True))


def _elevation(event: str, relation: str) -> float:
    if event == "bites a pie":
        return 30.0
    if event == "rolls behind a wall":
        return 15.0
    return 23.0 if relation in ("in front of", "behind") else 18.0


def _shots(
    rng: np.random.Generator,
    event: str,
    frames: int,
    camera: str | None,
    cut: str | None,
    elevation: float,
    size: tuple[int, int],
) -> tuple[Shot, ...]:
    if cut is not None:
        camera = "still"
    moving = [c for c in CAMERAS_OF_EVENT.get(event, CAMERAS) if c != "still"]
    if camera is None:
        camera = str(rng.choice(moving)) if moving and frames >= 9 and rng.random() < MOVING_CAMERA else "still"
    tall = size[1] > size[0]
    target = (0.0, 0.0, 0.85)
    tilt = elevation + float(rng.uniform(-1.5, 1.5)) + (3.0 if tall else 0.0)
    distance = 4.7 * float(rng.uniform(0.97, 1.05))
    first = _shot(rng, camera, target, distance, tilt)
    cuttable = event in CUT_EVENTS and camera == "still" and frames >= FRAMES_OF_CUT
    if cut is None and not (cuttable and rng.random() < CUT / (1 - MOVING_CAMERA)):
        return (first,)
    start, kind = int(rng.integers(6, frames - 5)), cut or str(rng.choice(CUTS))
    azimuth = {"from the left": -55.0, "from the right": 55.0}.get(kind, 0.0)
    near = {"from close up": 0.74}.get(kind, 1.0) * distance
    tilt = {"from above": 50.0}.get(kind, tilt)
    aim = Aim(near, azimuth, 0.0)
    return (first, Shot(start, "still", target, tilt, aim, aim, kind))


def _shot(rng: np.random.Generator, camera: str, target: Vector, distance: float, tilt: float) -> Shot:
    """The path of the first shot: it starts straight ahead, so that left and right are those of the stage."""
    turn, swing = float(rng.uniform(30, 45)), float(rng.uniform(8, 11))
    ahead = Aim(distance, 0.0, 0.0)
    paths = {
        "still": (ahead, ahead),
        "orbits left": (ahead, Aim(distance, -turn, 0.0)),
        "orbits right": (ahead, Aim(distance, turn, 0.0)),
        "moves in": (Aim(distance * 1.32, 0.0, 0.0), Aim(distance * 0.86, 0.0, 0.0)),
        "moves out": (Aim(distance * 0.9, 0.0, 0.0), Aim(distance * 1.38, 0.0, 0.0)),
        "pans left": (Aim(distance * 1.12, 0.0, swing), Aim(distance * 1.12, 0.0, -swing)),
        "pans right": (Aim(distance * 1.12, 0.0, -swing), Aim(distance * 1.12, 0.0, swing)),
    }
    return Shot(0, camera, target, tilt, *paths[camera])


def _actions(rng: np.random.Generator, luck: np.random.Generator, frames: int, start: Vector) -> tuple[str, ...]:
    """Pushes and jumps with pauses, steered so that the ball stays on the stage (verified afterwards), unless one is
    HELD.
    """
    steps = {"push left": (-1, 0), "push right": (1, 0), "push away": (0, 1), "push towards": (0, -1), "jump": (0, 0)}
    place = np.array(start[:2])
    actions: list[str] = ["none"] * int(rng.integers(0, 3))
    while len(actions) < frames:
        # One frame of pushing carries the ball about 0.9 m before drag stops it.
        hold = int(rng.integers(1, 3))
        safe = [
            n
            for n, d in steps.items()
            if abs(place[0] + 0.75 * hold * d[0]) < 1.5 and -0.8 < place[1] + 0.75 * hold * d[1] < 1.3
        ]
        action = str(rng.choice(safe))
        if action == "jump":
            hold = 1
        place = place + 0.75 * hold * np.array(steps[action])
        actions += [action] * hold + ["none"] * int(rng.integers(4, 8))
    if luck.random() < HELD:
        begin = int(luck.integers(0, frames // 2))
        length = int(luck.integers(SHORTEST_HELD, frames + 1 - begin))
        held = str(luck.choice([name for name in steps if name != "jump"]))
        actions = [*actions[:begin], *[held] * length, *["none"] * frames]
    return tuple(actions[:frames])
