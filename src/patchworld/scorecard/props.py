"""Judges of what happens to props: a pie is bitten, a candle goes out, a tower falls, and all stay so."""

import numpy as np

from patchworld.playroom.scene import Scene
from patchworld.scorecard.answer import Answer
from patchworld.scorecard.reading import Reading
from patchworld.scorecard.sight import LABELS

FLAME, WAX = 0.001, 0.002  # of the squared shorter side: the least area of a flame and of a candle
FRONT = (0.47, 0.62)  # widths of the pie below its top: where its front is, seen from the usual height
UPRIGHT, LYING = 1.8, 1.3  # height over width of all blocks together


def judge_bite(reading: Reading, scene: Scene) -> Answer:
    """The pie is whole, then a piece of it is gone."""
    states = pie_states(reading)
    return Answer(_changes(states, "whole", "bitten"), "whole, then bitten", _told(states))


def judge_stays_bitten(reading: Reading, scene: Scene) -> Answer:
    """Once bitten it is never whole again."""
    states = pie_states(reading)
    return Answer(_changes_once(states, "whole", "bitten"), "bitten for good", _told(states))


def judge_blow(reading: Reading, scene: Scene) -> Answer:
    """The candle burns, then it does not."""
    states = candle_states(reading)
    return Answer(_changes(states, "lit", "out"), "lit, then out", _told(states))


def judge_stays_out(reading: Reading, scene: Scene) -> Answer:
    """Once out it never burns again."""
    states = candle_states(reading)
    return Answer(_changes_once(states, "lit", "out"), "out for good", _told(states))


def judge_topple(reading: Reading, scene: Scene) -> Answer:
    """The tower stands, then it lies, and the ball was there."""
    states = tower_states(reading, scene.props[0].colour)
    ball = any(reading.of(scene.things[0].colour, frame) for frame in range(reading.clip.num_frames))
    return Answer(
        ball and _changes(states, "up", "down"), "up, then down", _told(states) + ("" if ball else ", no ball")
    )


def judge_stays_down(reading: Reading, scene: Scene) -> Answer:
    """Once down it does not rise again."""
    states = tower_states(reading, scene.props[0].colour)
    return Answer(_changes_once(states, "up", "down"), "down for good", _told(states))


def pie_states(reading: Reading) -> list[str]:
    """Frame by frame: "whole", "bitten", or "" where a mouth hides it or there is none.

    A bite takes the quarter in front: below the middle of the pie its crust and filling are missing.
    """
    states = []
    pie = [LABELS.index(name) for name in ("crust", "filling")]
    for frame, labels in enumerate(reading.labels):
        found, mouths = reading.props(frame, "pie"), reading.patches(frame, "lip")
        if not found or found[0].area < 0.015 * reading.side**2:
            states.append("")
            continue
        box = found[0]
        middle, half = (box.left + box.right) / 2, max(1.0, 0.1 * box.width)
        rows = slice(box.top + round(FRONT[0] * box.width), box.top + round(FRONT[1] * box.width) + 1)
        front = labels[rows, round(middle - half) : round(middle + half) + 1]
        if any(m.right > box.left and m.left < box.right and m.bottom > box.top and m.top < box.bottom for m in mouths):
            states.append("")
        else:
            states.append("whole" if np.isin(front, pie).mean() > 0.5 else "bitten")
    return states


def candle_states(reading: Reading) -> list[str]:
    """Frame by frame: "lit", "out", or "" where no candle is seen."""
    states = []
    for labels in reading.labels:
        rows, columns = np.nonzero(labels == LABELS.index("wax"))
        if len(rows) < WAX * reading.side**2:
            states.append("")
            continue
        x, y, near = int(np.median(columns)), int(np.median(rows)), round(0.08 * reading.side)
        above = labels[: y + 1, max(0, x - near) : x + near + 1]
        states.append("lit" if (above == LABELS.index("flame")).sum() > FLAME * reading.side**2 else "out")
    return states


def tower_states(reading: Reading, colour: str) -> list[str]:
    """Frame by frame: "up", "down", or "" where none of its blocks is seen or they are falling."""
    states = []
    for frame in range(reading.clip.num_frames):
        blocks = reading.of(colour, frame)
        tall = wide = 1
        if blocks:
            tall = max(b.bottom for b in blocks) - min(b.top for b in blocks)
            wide = max(b.right for b in blocks) - min(b.left for b in blocks)
        states.append("up" if tall > UPRIGHT * wide else "down" if blocks and tall < LYING * wide else "")
    return states


def _changes(states: list[str], before: str, after: str) -> bool:
    """Whether the first known state is `before` and the last `after`."""
    known = [state for state in states if state]
    return len(known) > 1 and known[0] == before and known[-1] == after


def _changes_once(states: list[str], before: str, after: str) -> bool:
    """Whether the known states are some `before` and then `after` only, with one frame of doubt."""
    known = [state for state in states if state]
    if not _changes(states, before, after):
        return False
    best = min(sum(a == after for a in known[:k]) + sum(b == before for b in known[k:]) for k in range(len(known)))
    return best <= 1 and known[-2:] == [after, after]


def _told(states: list[str]) -> str:
    """The states in turn, repetitions left out."""
    turns: list[str] = []
    for state in states:
        if state and state != (turns[-1] if turns else ""):
            turns.append(state)
    return ", ".join(turns) or "not there"
