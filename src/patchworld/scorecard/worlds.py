"""What can be scored: anything that makes a clip for a prompt."""

from collections.abc import Callable
from pathlib import Path

from patchworld.generate import Sampling
from patchworld.scorecard.prompts import Prompt
from patchworld.video import Clip

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
    """The model in a folder, told the text of a prompt; each prompt has noise of its own."""
    from patchworld.model import load

    model = load(folder)

    def dream(prompt: Prompt) -> Clip | None:
        scene = prompt.scene
        if prompt.acted:
            return None  # a canvas holds no actions
        return model.generate(
            prompt.text,
            frames=scene.frames,
            size=(scene.width, scene.height),
            fps=scene.fps,
            seed=sampling.seed + prompt.number,
            steps=sampling.steps,
            guidance=sampling.guidance,
            solver=sampling.solver,
        )

    return dream
