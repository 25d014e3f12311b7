"""The questions, one a line of the scorecard: which prompts pose it, and who judges it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from patchworld.playroom.captions import GROUNDS_ZH, LIGHT_WORDS, LIGHTS_ZH
from patchworld.playroom.scene import Scene
from patchworld.scorecard import motion, props, things, views
from patchworld.scorecard.answer import Answer
from patchworld.scorecard.prompts import Prompt
from patchworld.scorecard.reading import Reading

Judge = Callable[[Reading, Scene], Answer]
"""Judges a clip by its reading; of the scene it knows what the prompt says."""

EVENTS: dict[str, Judge] = {
    "rests": motion.judge_rest,
    "falls and bounces": motion.judge_fall,
    "rolls to the left": motion.judge_direction,
    "rolls to the right": motion.judge_direction,
    "rolls behind a wall": motion.judge_hiding,
    "hits": motion.judge_hit,
    "rolls down a ramp": motion.judge_ramp,
    "knocks over a tower": props.judge_topple,
    "bites a pie": props.judge_bite,
    "blows out a candle": props.judge_blow,
}


@dataclass(frozen=True)
class Question:
    """One line of the scorecard: `asks` says which prompts pose it, `judge` answers it for a clip."""

    name: str
    rule: str
    asks: Callable[[Prompt], bool]
    judge: Judge


def judge_event(reading: Reading, scene: Scene) -> Answer:
    """What the prompt says happens, happens."""
    return EVENTS[scene.event](reading, scene)


def of(*suites: str) -> Callable[[Prompt], bool]:
    """Posed by the prompts of these suites."""
    return partial(_is_of, suites)  # not a nested function: questions travel to other processes


def _is_of(suites: tuple[str, ...], prompt: Prompt) -> bool:
    return prompt.suite in suites


def _always(prompt: Prompt) -> bool:
    return True


def _has_colours(prompt: Prompt) -> bool:
    return bool(things.all_colours(prompt.scene))


def _has_things(prompt: Prompt) -> bool:
    return bool(prompt.scene.things)


def _has_relation(prompt: Prompt) -> bool:
    return bool(prompt.scene.relation)


def _has_event(prompt: Prompt) -> bool:
    return (
        prompt.scene.event in EVENTS
        and prompt.suite != "cuts"
        and not (prompt.scene.event == "rests" and prompt.scene.camera != "still")
    )


def _names_place(prompt: Prompt) -> bool:
    ground, light = prompt.scene.ground, prompt.scene.light
    words = (GROUNDS_ZH[ground], LIGHTS_ZH[light]) if prompt.language == "zh" else (ground, *LIGHT_WORDS[light])
    found = [word.lower() in prompt.text.lower() for word in words]
    return found[0] and any(found[1:])


def _has_moving_camera(prompt: Prompt) -> bool:
    return prompt.suite == "views" and prompt.scene.camera != "still"


QUESTIONS = (
    Question("colours", "every colour is there", _has_colours, things.judge_colours),
    Question("nothing else", "no other colour is there", _always, things.judge_nothing_else),
    Question("shapes", "every thing is there, in its shape", _has_things, things.judge_shapes),
    Question("place", "ground and light, where the prompt names both", _names_place, things.judge_place),
    Question("count", "one, two or three alike", of("rests"), things.judge_count),
    Question("relation", "left, right, in front, behind, on top", _has_relation, things.judge_relation),
    Question("event", "what is to happen happens", _has_event, judge_event),
    Question("direction", "rolls to the left or right", of("rolls"), motion.judge_direction),
    Question("camera", "moves as told, one of seven ways", of("views"), views.judge_camera),
    Question("gravity", "falls with the playroom's g", of("falls"), motion.judge_gravity),
    Question("bounces", "bounces lose height", of("falls"), motion.judge_bounces),
    Question("contact", "moved by contact, not before", of("hits"), motion.judge_contact),
    Question("permanence", "out from behind the wall, the same, in time", of("walls"), motion.judge_permanence),
    Question("identity", "the same things all the time", of("rests", "rolls"), motion.judge_stays_itself),
    Question("cut", "the same things after a cut", of("cuts"), motion.judge_cut),
    Question(
        "3-D",
        "things keep their place while the camera moves",
        _has_moving_camera,
        views.judge_reprojection,
    ),
    Question("pie", "stays bitten", of("pies"), props.judge_stays_bitten),
    Question("candle", "stays out", of("candles"), props.judge_stays_out),
    Question("tower", "stays down", of("towers"), props.judge_stays_down),
    Question("actions", "each push and jump does what it says", of("actions"), motion.judge_actions),
)
