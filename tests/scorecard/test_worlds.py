import numpy as np

from patchworld.generate import Sampling
from patchworld.model import Model
from patchworld.playroom import play
from patchworld.scorecard import SUITES, Prompt, dreaming, rendered


def prompt(suite: str, number: int = 0) -> Prompt:
    return next(found for found in SUITES if found.name == suite).prompt(number)


def test_renders_are_those_of_a_data_set() -> None:
    told = prompt("rolls")
    clip = rendered(told)
    assert clip is not None
    assert np.array_equal(clip.frames, play(told.scene).clip.frames)


def test_a_model_dreams_the_text_in_the_prompts_size_with_noise_of_its_own(tiny_model: Model) -> None:
    dream = dreaming(tiny_model, Sampling(seed=5, steps=1))
    told = prompt("rolls", 1)
    clip = dream(told)
    assert clip is not None
    assert (clip.num_frames, clip.size, clip.fps) == (told.scene.frames, (112, 64), told.scene.fps)
    again = tiny_model.generate(told.text, frames=17, size=(112, 64), seed=6, steps=1)
    assert np.array_equal(clip.frames, again.frames)


def test_a_model_is_not_shown_what_only_actions_could_tell_it(tiny_model: Model) -> None:
    assert dreaming(tiny_model, Sampling(steps=1))(prompt("actions")) is None
