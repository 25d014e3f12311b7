"""What can be scored: anything that makes a clip for a prompt."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from patchworld.canvas import Canvas
from patchworld.generate import Sampling
from patchworld.scorecard.prompts import Prompt
from patchworld.video import Clip

if TYPE_CHECKING:
    from patchworld.model import Model

Dream = Callable[[Prompt], Clip | None]
"""The one interface of the scorecard: a clip of the prompt's size, length and rate, obeying its actions if it has any.

None says that the world cannot be told what the prompt needs; it is then not asked.
"""


def rendered(prompt: Prompt) -> Clip:
    """What really happens: the scene as the playroom draws it."""
    from patchworld.playroom.render import render
    from patchworld.playroom.world import simulate

    return Clip(render(prompt.scene, simulate(prompt.scene))[0], prompt.scene.fps)


def dreamed_by(folder: Path | None, sampling: Sampling) -> Dream:
    """The model in a folder: see `dreaming`."""
    from patchworld.model import load

    return dreaming(load(folder), sampling)


def dreaming(model: "Model", sampling: Sampling) -> Dream:
    """A model that is told the text of a prompt; each prompt has noise of its own."""

    def dream(prompt: Prompt) -> Clip | None:
        scene = prompt.scene
        actions = scene.actions if prompt.acted else ()
        if set(actions) - set(model.actions):
            return None
        canvas = Canvas(prompt.text, scene.frames, (scene.width, scene.height), scene.fps, actions=actions)
        return model.dream(canvas, replace(sampling, seed=sampling.seed + prompt.number))

    return dream
