from dataclasses import replace

import pytest
from painting import Thing, box, reading

from patchworld.playroom import sample_scene
from patchworld.playroom.scene import Scene
from patchworld.playroom.scene import Thing as Body
from patchworld.scorecard.things import judge_colours, judge_count, judge_nothing_else, judge_place, judge_relation


def told(*colours: str, relation: str = "", count: int = 1) -> Scene:
    """What a prompt tells of cubes of these colours at rest."""
    scene = sample_scene(0, 0, frames=1, size=(64, 64))
    things = tuple(Body("cube", colour, 1.0, (0.0, 0.0, 0.5)) for colour in colours)
    return replace(scene, event="rests", things=things, props=(), relation=relation, count=count)


RED, BLUE = box("red", 20, 40), box("blue", 45, 40)


@pytest.mark.parametrize(
    ("things", "colours", "nothing_else"),
    [([RED, BLUE], True, True), ([RED], False, True), ([RED, BLUE, box("green", 32, 55)], True, False)],
)
def test_a_missing_colour_and_one_too_many_are_two_mistakes(
    things: list[Thing], colours: bool, nothing_else: bool
) -> None:
    seen = reading(things)
    assert judge_colours(seen, told("red", "blue")).right is colours
    assert judge_nothing_else(seen, told("red", "blue")).right is nothing_else


def test_things_alike_are_counted() -> None:
    two = reading([RED, box("red", 45, 40)])
    assert judge_count(two, told("red", "red", count=2)).right
    assert not judge_count(two, told("red", count=1)).right


@pytest.mark.parametrize(
    ("one", "two", "relation", "opposite"),
    [
        (box("red", 20, 40), box("blue", 45, 40), "to the left of", "to the right of"),
        (box("red", 28, 48), box("blue", 36, 36), "in front of", "behind"),
        (box("red", 30, 30), box("blue", 30, 40), "on top of", "in front of"),
    ],
)
def test_a_relation_holds_one_way_and_not_the_other(one: Thing, two: Thing, relation: str, opposite: str) -> None:
    seen = reading([one, two])
    assert judge_relation(seen, told("red", "blue", relation=relation)).right
    assert not judge_relation(seen, told("red", "blue", relation=opposite)).right
    assert not judge_relation(seen, told("blue", "red", relation=relation)).right


def test_a_relation_to_what_is_missing_does_not_hold() -> None:
    answer = judge_relation(reading([RED]), told("red", "blue", relation="to the left of"))
    assert (answer.right, answer.seen) == (False, "one of them is missing")


def test_ground_and_light_are_judged_together() -> None:
    seen = reading([RED])
    assert judge_place(seen, replace(told("red"), ground="stone", light="day")).right
    assert not judge_place(seen, replace(told("red"), ground="stone", light="night")).right
