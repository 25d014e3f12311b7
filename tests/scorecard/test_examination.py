from functools import partial

import numpy as np
import pytest

from patchworld.scorecard import QUESTIONS, SUITES, Dream, Prompt, examine, rendered
from patchworld.scorecard.examination import MODEL, RENDERS, SHUFFLED, Result
from patchworld.scorecard.tally import count, count_splits
from patchworld.video import Clip

ROLLS = [suite for suite in SUITES if suite.name == "rolls"]


def perfect() -> Dream:
    """A world in which everything happens as told."""
    return rendered


def grey() -> Dream:
    """A world of nothing, which cannot be told of actions."""

    def dream(prompt: Prompt) -> Clip | None:
        scene = prompt.scene
        size = (scene.frames, scene.height, scene.width, 3)
        return None if prompt.acted else Clip(np.full(size, 128, np.uint8), scene.fps)

    return dream


def answers(results: list[Result]) -> list[object]:
    return [(result.prompt, result.answers) for result in results]


def test_the_referee_agrees_with_the_playroom_on_every_question() -> None:
    counts = count(examine(None, SUITES, 2, QUESTIONS))
    right = sum(row[RENDERS].right for row in counts.values())
    asked = sum(row[RENDERS].asked for row in counts.values())
    assert asked > 100
    assert right / asked > 0.96
    floor = sum(row[RENDERS + SHUFFLED].right for row in counts.values() if RENDERS + SHUFFLED in row)
    assert floor / asked < 0.35


def test_a_perfect_world_scores_as_renders_do_and_an_empty_one_nothing() -> None:
    best, worst = (examine(world, ROLLS, 3, QUESTIONS, keep=1) for world in (perfect, grey))
    assert all(result.answers[MODEL] == result.answers[RENDERS] for result in best)
    assert count(worst)["colours"][MODEL].right == 0
    assert [len(result.clips) for result in best] == [2, 0, 0]
    assert all(np.array_equal(result.features[MODEL], result.features[RENDERS]) for result in best)


def test_a_world_is_not_asked_what_it_cannot_be_told() -> None:
    actions = [suite for suite in SUITES if suite.name == "actions"]
    (result,) = examine(grey, actions, 1, QUESTIONS)
    assert set(result.answers) == {RENDERS, RENDERS + SHUFFLED}


def test_several_processes_answer_as_one_does() -> None:
    assert answers(examine(perfect, ROLLS, 2, QUESTIONS, workers=2)) == answers(examine(perfect, ROLLS, 2, QUESTIONS))


def test_an_error_in_a_process_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        examine(partial(divmod, 1, 0), ROLLS, 2, QUESTIONS, workers=2)


def test_an_examination_that_broke_off_does_not_disturb_the_next() -> None:
    def broken() -> Dream:
        def dream(prompt: Prompt) -> Clip | None:
            raise ZeroDivisionError

        return dream

    with pytest.raises(ZeroDivisionError):
        examine(broken, ROLLS, 1, QUESTIONS)
    assert MODEL in examine(perfect, ROLLS, 1, QUESTIONS)[0].answers


def test_progress_hears_of_both_stages() -> None:
    heard: list[tuple[str, int]] = []

    def progress(items, stage):
        kept = list(items)
        heard.append((stage, len(kept)))
        return kept

    results = examine(None, ROLLS, 2, QUESTIONS, progress=progress)
    assert heard == [("drawing", 2), ("scoring", 2)]
    splits = count_splits(results, RENDERS)
    assert sum(splits["direction"][name].asked for name in ("square", "landscape")) == 2
