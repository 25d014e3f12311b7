"""What a model may learn from the referee: prompts that no scorecard asks, and what it says of clips of them.

A scorecard stays one as long as its prompts are not learned from, and combinations never trained on are never asked for
here either. That the referee is the same has to be told with every score of a model that learned from it.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from patchworld.canvas import Canvas
from patchworld.scorecard.prompts import SEED, SUITES, Prompt
from patchworld.scorecard.questions import QUESTIONS, Question
from patchworld.scorecard.reading import read
from patchworld.video import Clip

LESSONS = 2 * SEED  # the first seed of their prompts
PICTURES = 0.7  # share of the prompts of which a picture is asked for: a third of what is dreamed, as clips are longer
STILL = 0.5  # share of the pictures that show a scene at rest, which has relations and numbers
OF_PICTURES = ("colours", "nothing else", "shapes", "place", "count", "relation")  # what a first frame answers


def lesson(number: int) -> tuple[Canvas, Callable[[Clip], float]]:
    """What to dream, a picture or a clip, always the same for a number; and the share of the questions about it that a
    clip answers right.
    """
    rng = np.random.default_rng((LESSONS, number))
    picture = rng.random() < PICTURES
    still = picture and rng.random() < STILL
    suite = SUITES[0 if still else int(rng.integers(len(SUITES)))]
    prompt = suite.prompt(number, LESSONS, unseen=0)
    scene, names = prompt.scene, OF_PICTURES if picture else [question.name for question in QUESTIONS]
    questions = [question for question in QUESTIONS if question.name in names and question.asks(prompt)]
    actions = scene.actions if prompt.acted and not picture else ()
    frames = 1 if picture else scene.frames
    canvas = Canvas(prompt.text, frames, (scene.width, scene.height), scene.fps, actions=actions)
    return canvas, partial(_share_right, prompt, questions)


def _share_right(prompt: Prompt, questions: list[Question], clip: Clip) -> float:
    reading = read(clip)
    return sum(question.judge(reading, prompt.scene).right for question in questions) / len(questions)
