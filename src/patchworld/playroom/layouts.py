"""Where things stand and how they start to move: one layout per event, drawn from a random generator.

Colours come later. The camera stands about 4.7 m away and sees 2.2 m to each side at the middle of the stage, so that
things of one metre are about 14 pixels wide in a picture of 64.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from patchworld.playroom.mjcf import (
    CANDLE_HEIGHT,
    CANDLE_RADIUS,
    PIE_HEIGHT,
    PIE_RADIUS,
    RAMP_HEIGHT,
    RAMP_LENGTH,
    RAMP_WIDTH,
)
from patchworld.playroom.scene import SHAPES, TOWER_COLOURS, Prop, Thing, Vector

# Things without colour (the counted ones first), props, the relation of the first thing to the next, how many count.
Layout = tuple[list[Thing], tuple[Prop, ...], str, int]


def _thing(
    shape: str,
    size: float,
    x: float,
    y: float,
    z: float | None = None,
    velocity: Vector = (0.0, 0.0, 0.0),
    yaw: float = 0.0,
) -> Thing:
    return Thing(
        shape, "", round(size, 3), (round(x, 3), round(y, 3), round(size / 2 if z is None else z, 4)), velocity, yaw
    )


def _shape(rng: np.random.Generator) -> str:
    return str(rng.choice(SHAPES))


def _size(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.95, 1.15))


def _yaw(rng: np.random.Generator) -> float:
    return float(rng.uniform(-0.5, 0.5))


def _sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _rests(rng: np.random.Generator, seconds: float) -> Layout:
    kind = str(rng.choice(("single", "pair", "on top", "several", "prop"), p=(0.26, 0.34, 0.1, 0.15, 0.15)))
    if kind == "single":
        return (
            [_thing(_shape(rng), _size(rng), rng.uniform(-1.1, 1.1), rng.uniform(-0.5, 0.6), yaw=_yaw(rng))],
            (),
            "",
            1,
        )
    if kind == "several":
        count, shape, size = int(rng.choice((2, 3))), _shape(rng), float(rng.uniform(0.85, 1.0))
        gap = 1.6 if count == 2 else 1.35
        places = [
            ((i - (count - 1) / 2) * gap + rng.uniform(-0.12, 0.12), rng.uniform(-0.3, 0.4)) for i in range(count)
        ]
        return [_thing(shape, size, x, y, yaw=_yaw(rng)) for x, y in places], (), "", count
    if kind == "on top":
        low, high = str(rng.choice(("cube", "cylinder"))), _shape(rng)
        base, size = float(rng.uniform(0.95, 1.1)), float(rng.uniform(0.68, 0.8))
        x, y = rng.uniform(-0.9, 0.9), rng.uniform(-0.3, 0.5)
        return (
            [_thing(high, size, x, y, base + size / 2, yaw=_yaw(rng)), _thing(low, base, x, y, yaw=_yaw(rng))],
            (),
            "on top of",
            1,
        )
    if kind == "pair":
        first, second, relation = _pair(rng, _shape(rng), _shape(rng))
        return [first, second], (), relation, 1
    prop = _any_prop(rng)
    if rng.random() < 0.5:
        return [], (prop,), "", 0
    side = _sign(rng)
    prop = replace(prop, position=(-side * 0.85, 0.2))
    thing = _thing(
        _shape(rng),
        float(rng.uniform(0.8, 1.0)),
        side * rng.uniform(1.2, 1.4),
        0.2 + rng.uniform(-0.15, 0.15),
        yaw=_yaw(rng),
    )
    return [thing], (prop,), "to the right of" if side > 0 else "to the left of", 1


def _pair(rng: np.random.Generator, shape: str, other: str) -> tuple[Thing, Thing, str]:
    """Two things beside each other or one behind the other."""
    side, one, two = _sign(rng), _size(rng), _size(rng)
    if rng.random() < 0.6:
        middle, y = rng.uniform(-0.35, 0.35), rng.uniform(-0.3, 0.4)
        first = _thing(shape, one, middle + side * rng.uniform(0.72, 1.0), y + rng.uniform(-0.15, 0.15), yaw=_yaw(rng))
        second = _thing(other, two, middle - side * rng.uniform(0.72, 1.0), y + rng.uniform(-0.15, 0.15), yaw=_yaw(rng))
        return first, second, "to the right of" if side > 0 else "to the left of"
    front = _sign(rng)  # +1: the first is in front
    x, lean = rng.uniform(-0.4, 0.4), _sign(rng) * rng.uniform(0.3, 0.5)
    first = _thing(shape, one * 0.92, x - lean, -front * rng.uniform(0.85, 1.05), yaw=_yaw(rng))
    second = _thing(other, two * 0.92, x + lean, front * rng.uniform(0.85, 1.05), yaw=_yaw(rng))
    return first, second, "in front of" if front > 0 else "behind"


def _any_prop(rng: np.random.Generator) -> Prop:
    kind = str(rng.choice(("pie", "candle", "tower", "wall", "ramp"), p=(0.3, 0.25, 0.2, 0.12, 0.13)))
    place = (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0, 0.4)))
    if kind == "pie":
        return _pie(place, str(rng.choice(("whole", "bitten"))), 1)
    if kind == "candle":
        return _candle(place, str(rng.choice(("lit", "out"))), 1)
    if kind == "tower":
        return _tower(rng, place)
    if kind == "wall":
        return Prop("wall", place, (1.8, 0.25, 1.4))
    return Prop("ramp", place, (RAMP_LENGTH, RAMP_WIDTH, RAMP_HEIGHT), side=_sign(rng))


def _pie(place: tuple[float, float], state: str, side: int) -> Prop:
    return Prop("pie", place, (2 * PIE_RADIUS, 2 * PIE_RADIUS, PIE_HEIGHT), side=side, state=state)


def _candle(place: tuple[float, float], state: str, side: int) -> Prop:
    return Prop("candle", place, (2 * CANDLE_RADIUS, 2 * CANDLE_RADIUS, CANDLE_HEIGHT), side=side, state=state)


def _tower(rng: np.random.Generator, place: tuple[float, float]) -> Prop:
    blocks = int(rng.choice((3, 4)))
    edge = {3: 0.6, 4: 0.48}[blocks]
    return Prop("tower", place, (edge, edge, edge * blocks), colour=str(rng.choice(TOWER_COLOURS)), num_blocks=blocks)


def _falls(rng: np.random.Generator, seconds: float) -> Layout:
    if rng.random() < 0.6:
        size = _size(rng)
        shape = str(rng.choice(SHAPES, p=(0.5, 0.25, 0.25)))
        return (
            [
                _thing(
                    shape, size, rng.uniform(-1.0, 1.0), rng.uniform(-0.2, 0.6), rng.uniform(1.9, 2.25), yaw=_yaw(rng)
                )
            ],
            (),
            "",
            1,
        )
    first, second, relation = _pair(rng, str(rng.choice(SHAPES, p=(0.5, 0.25, 0.25))), _shape(rng))
    height = rng.uniform(1.9, 2.2) if relation != "in front of" else rng.uniform(1.6, 1.8)
    return (
        [_thing(first.shape, first.size, first.position[0], first.position[1], height, yaw=first.yaw), second],
        (),
        relation,
        1,
    )


def _speed(distance: float, seconds: float, slowest: float = 0.3, fastest: float = 3.2) -> float:
    return float(np.clip(distance / max(seconds, 0.1), slowest, fastest))


def _rolls(direction: int) -> Callable[[np.random.Generator, float], Layout]:
    def layout(rng: np.random.Generator, seconds: float) -> Layout:
        size, y = _size(rng), rng.uniform(-0.3, 0.4)
        relation = ""
        others = []
        if rng.random() < 0.5:
            relation = str(rng.choice(("in front of", "behind"), p=(0.65, 0.35)))
            y = -0.55 if relation == "in front of" else 0.75
            back = y + 1.6 if relation == "in front of" else y - 1.65
            others = [_thing(_shape(rng), 0.95, rng.uniform(-0.9, 0.9), back, yaw=_yaw(rng))]
        speed = _speed(rng.uniform(2.2, 3.0), seconds)
        start = rng.uniform(1.15, 1.55) * (1 + 0.12 * y)
        ball = _thing("ball", size, -direction * start, y, velocity=(direction * speed, 0.0, 0.0))
        return [ball, *others], (), relation, 1

    return layout


def _behind_wall(rng: np.random.Generator, seconds: float) -> Layout:
    direction, size = _sign(rng), float(rng.uniform(0.85, 0.98))
    wall = Prop("wall", (0.0, -0.2), (float(rng.uniform(1.5, 1.75)), 0.25, float(rng.uniform(1.25, 1.5))))
    y, start = 0.75, rng.uniform(1.85, 2.05)
    speed = _speed(start + rng.uniform(1.75, 2.0), seconds, slowest=0.4)
    return [_thing("ball", size, -direction * start, y, velocity=(direction * speed, 0.0, 0.0))], (wall,), "", 1


def _hits(rng: np.random.Generator, seconds: float) -> Layout:
    direction, size, y = _sign(rng), float(rng.uniform(0.9, 1.05)), rng.uniform(-0.3, 0.4)
    shape = _shape(rng)
    target = _thing(
        shape, float(rng.uniform(0.85, 1.0)), direction * rng.uniform(0.0, 0.4), y + rng.uniform(-0.06, 0.06)
    )
    speed = float(np.clip(3.4 / max(seconds, 0.1), 1.6, 2.8)) * (1.0 if shape == "ball" else 1.25)
    return (
        [_thing("ball", size, -direction * rng.uniform(1.45, 1.65), y, velocity=(direction * speed, 0.0, 0.0)), target],
        (),
        "",
        1,
    )


def _ramp(rng: np.random.Generator, seconds: float) -> Layout:
    side, y = _sign(rng), float(rng.uniform(-0.1, 0.4))  # side: where the ramp is high
    ramp = Prop("ramp", (side * 0.75, y), (RAMP_LENGTH, RAMP_WIDTH, RAMP_HEIGHT), side=side)
    size = float(rng.uniform(0.8, 0.95))
    slope = np.arctan2(RAMP_HEIGHT, RAMP_LENGTH)
    # The ball touches the slope at `along` from its foot, and its centre is half a size off it.
    along = RAMP_LENGTH * rng.uniform(0.72, 0.82)
    x = along - size / 2 * np.sin(slope)
    z = along * np.tan(slope) + size / 2 * np.cos(slope)
    foot = ramp.position[0] - side * RAMP_LENGTH / 2
    return [_thing("ball", size, foot + side * x, y, z + 0.004)], (ramp,), "", 1


def _topples(rng: np.random.Generator, seconds: float) -> Layout:
    direction, y = _sign(rng), float(rng.uniform(-0.1, 0.4))
    tower = _tower(rng, (direction * float(rng.uniform(0.1, 0.4)), y))
    ball = _thing(
        "ball",
        float(rng.uniform(0.9, 1.0)),
        -direction * rng.uniform(1.4, 1.6),
        y,
        velocity=(direction * rng.uniform(2.6, 3.4), 0.0, 0.0),
    )
    return [ball], (tower,), "", 1


def _bites(rng: np.random.Generator, seconds: float) -> Layout:
    side = _sign(rng)
    pie = _pie((float(rng.uniform(-0.25, 0.25)), float(rng.uniform(0.1, 0.4))), "whole", side)
    return [], (pie,), "", 0


def _blows(rng: np.random.Generator, seconds: float) -> Layout:
    candle = _candle((float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.3, 0.3))), "lit", _sign(rng))
    if rng.random() < 0.6:
        return [], (candle,), "", 0
    side = -candle.side
    thing = _thing(
        _shape(rng),
        float(rng.uniform(0.85, 1.0)),
        candle.position[0] + side * 1.15,
        candle.position[1] + rng.uniform(-0.15, 0.15),
        yaw=_yaw(rng),
    )
    return [thing], (candle,), "to the right of" if side > 0 else "to the left of", 1


def _pushed(rng: np.random.Generator, seconds: float) -> Layout:
    ball = _thing("ball", _size(rng), rng.uniform(-0.7, 0.7), rng.uniform(-0.3, 0.4))
    if rng.random() < 0.65:
        return [ball], (), "", 1
    other = _thing(_shape(rng), 0.95, rng.uniform(-1.2, 1.2), 2.1, yaw=_yaw(rng))
    return [ball, other], (), "in front of", 1


LAYOUTS: dict[str, Callable[[np.random.Generator, float], Layout]] = {
    "rests": _rests,
    "falls and bounces": _falls,
    "rolls to the left": _rolls(-1),
    "rolls to the right": _rolls(1),
    "rolls behind a wall": _behind_wall,
    "hits": _hits,
    "rolls down a ramp": _ramp,
    "knocks over a tower": _topples,
    "bites a pie": _bites,
    "blows out a candle": _blows,
    "is pushed": _pushed,
}
