"""What is asked of a world: prompts drawn by the playroom's own grammar from seeds that no training uses.

A suite is a kind of scene and answers several questions at once. Sizes and lengths take turns within a suite, languages
and combinations never trained on come by chance, so that every score can be split by them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np

from patchworld.playroom import captions, sample_scene
from patchworld.playroom.actions import held_from
from patchworld.playroom.draw import HELD_OUT_EVENTS
from patchworld.playroom.scene import CAMERAS, Scene

UNSEEN = 0.25  # share of prompts with combinations never trained on, where the event allows it
SEED = 2**40  # far from any seed a person gives to `data playroom`
IN_THE_AIR = 16  # frames after a jump in which the ball may still bounce
MAX_DRAWS = 400  # for one prompt
SQUARE, LANDSCAPE, PORTRAIT = (64, 64), (112, 64), (64, 112)
# Taken in turn. A prime number of them, so that they meet every language and event.
FORMATS = ((SQUARE, 17), (LANDSCAPE, 17), (SQUARE, 17), (PORTRAIT, 17), (SQUARE, 33))


@dataclass(frozen=True)
class Prompt:
    """A scene, what a world is told of it, and the seed of its noise. `suite` names the kind of scene."""

    suite: str
    number: int
    scene: Scene
    text: str
    language: str

    @property
    def acted(self) -> bool:
        """Whether the actions of the scene decide what happens."""
        return self.scene.event == "is pushed"

    @property
    def splits(self) -> tuple[str, ...]:
        """The groups that this prompt counts in."""
        scene = self.scene
        form = "square" if scene.width == scene.height else "landscape" if scene.width > scene.height else "portrait"
        combination = "never trained on" if scene.split == "held_out" else "trained combinations"
        return combination, {"en": "English", "zh": "Chinese"}[self.language], form, f"{scene.frames} frames"


def _any(scene: Scene, number: int) -> bool:
    return True


@dataclass(frozen=True)
class Suite:
    """A kind of scene: its events and cameras in turn, and what else has to be true of scene number n."""

    name: str
    events: tuple[str, ...]
    cameras: tuple[str | None, ...] = (None,)
    keep: Callable[[Scene, int], bool] = _any

    def prompt(self, number: int, first_seed: int = SEED, unseen: float = UNSEEN) -> Prompt:
        """The prompt of this number: always the same, whichever others are drawn.

        `first_seed` belongs to one use of prompts; `unseen` is their share with combinations never trained on.
        """
        size, frames = FORMATS[number % len(FORMATS)]
        event, camera = (names[number % len(names)] for names in (self.events, self.cameras))
        seed = first_seed + int.from_bytes(self.name.encode())
        rng = np.random.default_rng((seed, number))  # by chance, so that no split goes with another
        language = str(rng.choice(("en", "zh")))
        held_out, which = rng.random() < unseen and event in HELD_OUT_EVENTS, rng.random()
        split = "held_out" if held_out else "train"
        for index in range(number * MAX_DRAWS, (number + 1) * MAX_DRAWS):
            scene = sample_scene(seed, index, split=split, frames=frames, size=size, event=event, camera=camera)
            if self.keep(scene, number):
                texts = [
                    caption.text
                    for caption in captions(scene)
                    if caption.language == language and caption.detail != "setting"
                ]
                return Prompt(self.name, number, scene, texts[int(which * len(texts))], language)
        raise AssertionError(f"no scene fits prompt {number} of suite {self.name}")


def _one_shot(scene: Scene, number: int) -> bool:
    return len(scene.shots) == 1


def _varied(scene: Scene, number: int) -> bool:
    """Of three scenes one has several alike and two have a relation."""
    return bool(_one_shot(scene, number) and scene.things and (scene.count > 1 if number % 3 == 0 else scene.relation))


def _with_things(scene: Scene, number: int) -> bool:
    return bool(_one_shot(scene, number) and scene.things and scene.count == 1)


def _with_cut(scene: Scene, number: int) -> bool:
    return len(scene.shots) > 1 and bool(scene.things)


def deeds(scene: Scene, frames: int) -> list[tuple[int, int, str]]:
    """First frame, number of frames and name of each action whose effect can be seen within `frames`.

    What follows a jump too soon is left out: in the air nothing can jump, and what is higher up looks further away.
    """
    runs = [(action, len(list(group))) for action, group in groupby(scene.actions)]
    starts = accumulate((length for _, length in runs), initial=0)
    found, landed = [], 0
    for start, (action, length) in zip(starts, runs, strict=False):
        in_the_air = start < landed and action in ("jump", "push away", "push towards")
        if action != "none" and start + length + 2 < frames and not in_the_air:
            found.append((start, length, action))
        if action == "jump":
            landed = start + IN_THE_AIR
    return found


def _with_deeds(scene: Scene, number: int) -> bool:
    return bool(deeds(scene, scene.frames)) and held_from(scene.actions) is None


SUITES = (
    Suite("rests", ("rests",), keep=_varied),
    Suite("rolls", ("rolls to the left", "rolls to the right"), keep=_one_shot),
    Suite("falls", ("falls and bounces",), ("still",), _one_shot),
    Suite("hits", ("hits",), ("still",), _one_shot),
    Suite("walls", ("rolls behind a wall",)),
    Suite("ramps", ("rolls down a ramp",)),
    Suite("towers", ("knocks over a tower",), ("still",), _one_shot),
    Suite("pies", ("bites a pie",), keep=_one_shot),
    Suite("candles", ("blows out a candle",), keep=_one_shot),
    Suite("views", ("rests",), CAMERAS, _with_things),
    Suite("cuts", ("rests", "hits", "falls and bounces"), ("still",), _with_cut),
    Suite("actions", ("is pushed",), keep=_with_deeds),
)
QUICK = tuple(suite for suite in SUITES if suite.name in ("rests", "rolls"))
