"""Judges of what is there: colours, shapes, numbers and places at the beginning of a clip.

A judge sees a reading, which comes from pixels alone, and the scene as the prompt tells it.
"""

import numpy as np

from patchworld.playroom.scene import Prop, Scene
from patchworld.scorecard.answer import Answer, joined
from patchworld.scorecard.reading import Blob, Reading

BEGINNING = 3  # frames of which most have to show what a clip begins with


def _beginning(reading: Reading) -> range:
    return range(min(BEGINNING, reading.clip.num_frames))


def all_colours(scene: Scene) -> set[str]:
    """The colours that a prompt tells of."""
    return {thing.colour for thing in scene.things} | {prop.colour for prop in scene.props if prop.colour}


def judge_colours(reading: Reading, scene: Scene) -> Answer:
    """Every colour that is told of is there at the beginning."""
    wanted, seen = all_colours(scene), reading.colours(_beginning(reading))
    return Answer(wanted <= seen, joined(wanted), joined(seen))


def judge_nothing_else(reading: Reading, scene: Scene) -> Answer:
    """No thing has a colour that is not told of."""
    wanted, seen = all_colours(scene), reading.colours(_beginning(reading))
    return Answer(seen <= wanted, "only " + joined(wanted), joined(seen))


def judge_shapes(reading: Reading, scene: Scene) -> Answer:
    """A thing of every colour is there at the beginning, in its shape."""
    wanted = {thing.name for thing in scene.things}
    seen = {f"{c} {reading.shape(c, _beginning(reading))}" for c in reading.colours(_beginning(reading))}
    return Answer(wanted <= seen, joined(wanted), joined(seen))


def judge_place(reading: Reading, scene: Scene) -> Answer:
    """Ground and light of the first frame."""
    wanted, seen = f"{scene.ground} by {scene.light}", f"{reading.setting.ground} by {reading.setting.light}"
    return Answer(wanted == seen, wanted, seen)


def judge_count(reading: Reading, scene: Scene) -> Answer:
    """How many things of the subject's colour there are at the beginning."""
    numbers = [len(reading.of(scene.things[0].colour, frame)) for frame in _beginning(reading)]
    seen = int(np.median(numbers))
    return Answer(seen == scene.count, str(scene.count), str(seen))


def judge_relation(reading: Reading, scene: Scene) -> Answer:
    """Where the subject stands to the other, as the camera sees it at the beginning, or once a falling one is down."""
    frame, colour = 0, scene.things[0].colour
    if scene.event == "falls and bounces":
        frame = max(
            range(reading.clip.num_frames), key=lambda f: max((b.bottom for b in reading.of(colour, f)), default=0)
        )
    one, two = (_find(reading, frame, what) for what in (scene.things[0], scene.other))
    if one is None or two is None:
        return Answer(False, scene.relation, "one of them is missing")
    seen = relations(one, two, reading.side)
    return Answer(scene.relation in seen, scene.relation, joined(seen))


def _find(reading: Reading, frame: int, what: object) -> Blob | None:
    """The thing or prop in a frame."""
    assert what is not None
    if isinstance(what, Prop) and what.kind != "tower":
        found = reading.props(frame, what.kind)
    else:
        found = reading.of(what.colour, frame)  # type: ignore[attr-defined]
    return found[0] if found else None


def relations(one: Blob, two: Blob, side: int) -> set[str]:
    """The relations of two blobs that one may speak of: one thing can be to the left of another and behind it."""
    found = set()
    across, nearer = (one.x - two.x) / side, (one.bottom - two.bottom) / side
    if abs(across) > 0.06:
        found.add("to the left of" if across < 0 else "to the right of")
    elif one.bottom < two.y and abs(one.bottom - two.top) < 0.12 * side:
        return {"on top of"}
    if abs(nearer) > 0.03:
        found.add("in front of" if nearer > 0 else "behind")
    return found
