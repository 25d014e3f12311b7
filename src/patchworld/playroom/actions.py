"""What can be done to the ball, one action per frame.

The action of frame `i` acts during the time from frame `i` to frame `i + 1`: its effect is first seen in frame `i + 1`.
The action of the last frame therefore never shows.
"""

from itertools import groupby

ACTIONS = ("none", "push left", "push right", "push away", "push towards", "jump")

# Change of speed in metres per second that one frame of pushing gives to a body without friction.
PUSH_SPEED = 1.1
# A jump lifts the ball about 0.55 m: 0.67 s in the air, more than five frames at 8 frames per second.
JUMP_SPEED = 3.3

_DIRECTIONS = {
    "push left": (-1.0, 0.0, 0.0),
    "push right": (1.0, 0.0, 0.0),
    "push away": (0.0, 1.0, 0.0),
    "push towards": (0.0, -1.0, 0.0),
}
# Of a push that is held: frames in which the ball may leave the stage.
SHORTEST_HELD = 3


def held_from(actions: tuple[str, ...]) -> int | None:
    """The frame in which the first push of SHORTEST_HELD frames or more begins; None if there is none."""
    start = 0
    for action, run in groupby(actions):
        length = len(list(run))
        if action != "none" and length >= SHORTEST_HELD:
            return start
        start += length
    return None


def push_acceleration(action: str, fps: float) -> tuple[float, float, float]:
    """Acceleration (m/s^2: right, away, up) that `action` applies for one frame; zero for "none" and "jump"."""
    x, y, z = _DIRECTIONS.get(action, (0.0, 0.0, 0.0))
    return (x * PUSH_SPEED * fps, y * PUSH_SPEED * fps, z * PUSH_SPEED * fps)
