"""What a window is asked with several prompts is one pass, with the bits of a pass for each."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import Observed

from patchworld.canvas import Canvas
from patchworld.generate import Sampling, generate
from patchworld.patches import Pack
from patchworld.patches.packing import unpack


class OneByOne:
    """A denoiser that reads the clips of a pack one after the other."""

    def __init__(self, denoiser):
        self.denoiser, self.acted = denoiser, set()

    def __call__(self, pack, level, text, text_lengths, actions=None):
        shapes, frames = [(shape,) for shape in pack.shapes], [shape.frames for shape in pack.shapes]
        clips = map(Pack, unpack(pack.tokens, pack), unpack(pack.positions, pack), shapes)
        words = text.split(text_lengths), [(length,) for length in text_lengths]
        done = [None] * len(frames) if actions is None else actions.split(frames)
        self.acted.add(tuple(one is not None and bool(one.any()) for one in done))
        parts = zip(clips, unpack(level, pack), *words, done, strict=True)
        return torch.cat([self.denoiser(*part) for part in parts])

    @property
    def token_variance(self):
        return self.denoiser.token_variance

    @property
    def num_motion(self):
        return self.denoiser.num_motion


CANVASES = {
    "a prompt and none": (Canvas("a red ball", 9, (32, 32)), 2),
    "three prompts and a negative one": (
        Canvas("a red ball", 17, (32, 48), negative="left", changes=((5, "a blue cube"), (13, "on snow"))),
        4,
    ),
    "a circle": (Canvas("a red ball", 8, (32, 32), circular=True), 2),
    "actions": (Canvas("a red ball", 9, (32, 32), actions=["push left"] * 9), 2),
}


@pytest.mark.parametrize("name", CANVASES)
def test_guidance_is_one_pass_over_one_pack_and_gives_what_a_pass_for_each_prompt_gives(tiny_model, name):
    canvas, prompts = CANVASES[name]
    denoiser = tiny_model.denoiser
    if canvas.actions:
        config = denoiser.config.model_copy(update={"actions": ("none", "push left")})
        denoiser = type(denoiser)(config).eval()
        denoiser.load_state_dict({**denoiser.state_dict(), **tiny_model.denoiser.state_dict()})
        torch.nn.init.ones_(denoiser.embed_action.weight)
    model = replace(tiny_model, denoiser=denoiser)
    world, sampling = Observed(model), Sampling(3, 4)
    frames = generate(world, canvas, sampling).frames
    # The levels of the four steps begin at 1, 0.75, 0.5 and 0.25: the last two are not guided.
    assert [len(shapes) for shapes in world.denoiser.seen] == [prompts, prompts, prompts - 1, prompts - 1]
    slow = Observed(model, OneByOne)
    assert np.array_equal(frames, generate(slow, canvas, sampling).frames)
    prompted = (bool(canvas.actions),) * (prompts - 1)
    assert slow.denoiser.acted == {prompted, (*prompted, False)}
