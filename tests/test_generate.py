import numpy as np
import pytest
from tiny import moving_square

from patchworld.canvas import Canvas, Condition, lay_out
from patchworld.errors import InputError, RunError
from patchworld.generate import Sampling, generate
from patchworld.shapes import Shape
from patchworld.vae import decode_clip, encode_clip

QUICK = Sampling(seed=3, steps=3)


def test_the_same_seed_gives_the_same_clip_and_another_seed_another(tiny_model):
    canvas = Canvas("a red ball", 9, (32, 32))
    first, again, other = (generate(tiny_model, canvas, Sampling(seed, 3)).frames for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_clip_has_the_frames_size_and_rate_of_its_canvas(tiny_model):
    clip = generate(tiny_model, Canvas("a red ball", 6, (50, 34), fps=5), QUICK)
    assert clip.frames.shape == (6, 34, 50, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.fps == 5


def test_the_prompt_and_the_negative_prompt_matter(tiny_model):
    clips = [
        generate(tiny_model, Canvas(prompt, 1, (32, 32), negative=negative), QUICK).frames
        for prompt, negative in (("a red ball", ""), ("left", ""), ("a red ball", "left"))
    ]
    assert not np.array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2])


def test_kept_frames_come_back_as_the_autoencoder_alone_gives_them(tiny_model):
    given = moving_square(17)
    canvas = Canvas("a red ball", 17, (32, 32), conditions=(Condition(given),))
    assert not lay_out(canvas, tiny_model.autoencoder, tiny_model.patch, tiny_model.latent_channels).cap.any()
    latent = encode_clip(tiny_model.autoencoder, given)
    rebuilt = decode_clip(tiny_model.autoencoder, latent, Shape(17, 32, 32), 8)
    assert np.array_equal(generate(tiny_model, canvas, QUICK).frames, rebuilt.frames)


def test_a_canvas_larger_than_the_memory_is_refused_at_once(tiny_model):
    with pytest.raises(RunError, match=r"100000 frames of 4096x4096 need \d+ GB"):
        generate(tiny_model, Canvas("", 100_000, (4096, 4096)), QUICK)


def test_progress_is_reported_for_every_step_with_the_latent_so_far(tiny_model):
    seen = []
    generate(
        tiny_model, Canvas("", 5, (32, 32)), QUICK, lambda done, steps, latent: seen.append((done, steps, latent.shape))
    )
    assert seen == [(1, 3, (4, 2, 4, 4)), (2, 3, (4, 2, 4, 4)), (3, 3, (4, 2, 4, 4))]


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"steps": 0}, {"steps": 10**9}, {"guidance": -1}, {"guidance": float("nan")}]
)
def test_impossible_samplings_are_refused_with_their_value(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_an_unknown_solver_is_refused_with_the_known_ones(tiny_model):
    with pytest.raises(InputError, match="euler"):
        generate(tiny_model, Canvas("", 1, (32, 32)), Sampling(0, 2, solver="magic"))
