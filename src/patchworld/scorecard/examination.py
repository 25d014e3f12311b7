"""The examination: every prompt is dreamed and drawn, both clips are read, and the questions are answered.

The floor needs no clips of its own: the clip of one prompt answers the questions of another, chosen by chance.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from patchworld.scorecard.answer import Answer
from patchworld.scorecard.frechet import features
from patchworld.scorecard.prompts import Prompt, Suite
from patchworld.scorecard.questions import Question
from patchworld.scorecard.reading import read
from patchworld.scorecard.worlds import Dream, rendered
from patchworld.video import Clip
from patchworld.workers import side_by_side

RENDERS, MODEL = "renders", "model"
SHUFFLED = ", shuffled"
COLUMNS = (RENDERS, RENDERS + SHUFFLED, MODEL, MODEL + SHUFFLED)

Progress = Callable[[Iterable[Any], str], Iterable[Any]]
"""Passes on what comes, and shows how far the stage of this name is."""


@dataclass(frozen=True)
class Result:
    """All that is known of one prompt.

    answers   by column, then by question
    features  of the clips, by source: see frechet.py
    clips     by source, for some prompts only
    """

    prompt: Prompt
    answers: dict[str, dict[str, Answer]]
    features: dict[str, np.ndarray] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One prompt, the other whose questions its clips answer for the floor, and whether its clips are kept."""

    prompt: Prompt
    other: Prompt
    keep: bool


def examine(
    make_dream: Callable[[], Dream] | None,
    suites: Sequence[Suite],
    amount: int,
    questions: Sequence[Question],
    *,
    workers: int = 1,
    keep: int = 0,
    progress: Progress = lambda items, stage: items,
) -> list[Result]:
    """The results of the first `amount` prompts of each suite, in order.

    Without `make_dream` only renders are read: this examines the referee. It is called once in each of the `workers`
    processes, and pickled on the way there if there are several. The clips of the first `keep` prompts of each suite
    come with the results.
    """

    def every(function: Callable[[Any], Any], jobs: Sequence[Any], stage: str) -> list[Any]:
        # A process for each core beats threads inside small products.
        done = dict(progress(side_by_side(function, jobs, workers, partial(torch.set_num_threads, 1)), stage))
        return [done[number] for number in range(len(jobs))]

    prompts = every(_draw, [(suite, number) for suite in suites for number in range(amount)], "drawing")
    # A fixed permutation, so that the same prompts always have the same floor.
    order = np.random.default_rng(0).permutation(len(prompts))
    partner = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    tasks = [
        (Task(prompt, prompts[partner[i]], prompt.number < keep), make_dream, questions)
        for i, prompt in enumerate(prompts)
    ]
    try:
        return every(_work, tasks, "scoring")
    finally:
        _examiners.clear()  # the next examination in this process may be of another world


def _draw(job: tuple[Suite, int]) -> Prompt:
    suite, number = job
    return suite.prompt(number)


_examiners: dict[str, "_Examiner"] = {}  # the one of this process, made when it is first needed


def _work(job: tuple[Task, Callable[[], Dream] | None, Sequence[Question]]) -> Result:
    task, make_dream, questions = job
    if not _examiners:
        _examiners["only"] = _Examiner(make_dream)
    return _examiners["only"].examine(task, questions)


class _Examiner:
    def __init__(self, make_dream: Callable[[], Dream] | None) -> None:
        self.sources: dict[str, Dream] = {RENDERS: rendered}
        if make_dream is not None:
            self.sources[MODEL] = make_dream()

    def examine(self, task: Task, questions: Sequence[Question]) -> Result:
        result = Result(task.prompt, {})
        for name, dream in self.sources.items():
            clip = dream(task.prompt)
            if clip is None:
                continue
            reading = read(clip)
            for column, prompt in ((name, task.prompt), (name + SHUFFLED, task.other)):
                asked = [question for question in questions if question.asks(prompt)]
                result.answers[column] = {q.name: q.judge(reading, prompt.scene) for q in asked}
            if MODEL in self.sources:
                result.features[name] = features(clip)
            if task.keep:
                result.clips[name] = clip
        return result


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
