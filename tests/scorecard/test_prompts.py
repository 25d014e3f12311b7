import pickle

import pytest

from patchworld.scorecard import QUESTIONS, SUITES
from patchworld.scorecard.prompts import Prompt


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    return [suite.prompt(number) for suite in SUITES for number in range(4)]


def test_a_prompt_is_always_the_same(prompts: list[Prompt]) -> None:
    assert SUITES[0].prompt(3) == pickle.loads(pickle.dumps(SUITES[0])).prompt(3) == prompts[3]


def test_both_languages_all_formats_and_unseen_combinations_come_up(prompts: list[Prompt]) -> None:
    splits = {split for prompt in prompts for split in prompt.splits}
    wanted = {"English", "Chinese", "square", "landscape", "portrait", "never trained on", "trained combinations"}
    assert wanted <= splits
    for prompt in prompts:
        assert (prompt.language == "zh") == any(ord(letter) > 0x3000 for letter in prompt.text)
        assert ("never trained on" in prompt.splits) == any(thing.held_out for thing in prompt.scene.things)


def test_every_question_is_posed_and_every_prompt_is_asked_something(prompts: list[Prompt]) -> None:
    posed = [{question.name for question in QUESTIONS if question.asks(prompt)} for prompt in prompts]
    assert set.union(*posed) == {question.name for question in QUESTIONS}
    assert all(len(questions) >= 2 for questions in posed)
