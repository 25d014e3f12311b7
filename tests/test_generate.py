import numpy as np
import pytest
import torch
from tiny import moving_square

from patchworld.canvas import Canvas, Condition, lay_out
from patchworld.errors import InputError, RunError
from patchworld.generate import Sampling, decode, encode, from_recipe, generate, recipe
from patchworld.shapes import Shape

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
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        layout = lay_out(canvas, tiny_model.autoencoder, tiny_model.patch)
        latent = tiny_model.autoencoder.encode(
            torch.from_numpy(given.frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        )
    rebuilt = decode(tiny_model.autoencoder, latent[0].float(), Shape(17, 32, 32), 8)
    assert not layout.cap.any()
    difference = generate(tiny_model, canvas, QUICK).frames.astype(int) - rebuilt.frames
    assert np.abs(difference).max() <= 2  # roundings of bfloat16


def test_decoding_in_pieces_equals_decoding_at_once(tiny_model):
    latent = torch.randn(4, 19, 2, 2)
    pieces = decode(tiny_model.autoencoder, latent, Shape(73, 16, 16), 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        whole = tiny_model.autoencoder.decode(latent[None])[0].permute(1, 2, 3, 0)
    difference = np.abs(pieces.frames - ((whole.clamp(-1, 1) + 1) * 127.5).round().numpy())
    assert difference.max() <= 1


def test_encoding_in_pieces_equals_encoding_at_once(tiny_model):
    clip = moving_square(76, (20, 16))  # not on the grid, and more than two pieces
    pieces = encode(tiny_model.autoencoder, clip)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        whole = tiny_model.autoencoder.encode(torch.from_numpy(clip.frames).permute(3, 0, 1, 2)[None] / 127.5 - 1)[0]
    assert pieces.shape == (4, 20, 2, 3)
    assert torch.allclose(pieces, whole, atol=0.02)


def test_a_canvas_larger_than_the_memory_is_refused_at_once(tiny_model):
    with pytest.raises(RunError, match=r"100000 frames of 4096x4096 need \d+ GB"):
        generate(tiny_model, Canvas("", 100_000, (4096, 4096)), QUICK)


def test_progress_is_reported_for_every_step_with_the_latent_so_far(tiny_model):
    seen = []
    generate(
        tiny_model, Canvas("", 5, (32, 32)), QUICK, lambda done, steps, latent: seen.append((done, steps, latent.shape))
    )
    assert seen == [(1, 3, (4, 2, 4, 4)), (2, 3, (4, 2, 4, 4)), (3, 3, (4, 2, 4, 4))]


def test_a_recipe_gives_its_canvas_and_sampling_back():
    canvas, sampling = from_recipe(recipe(Canvas("a ball", 9, (48, 32), 6.0, "fog"), Sampling(5, 7, 2.5, "euler")))
    assert (canvas.prompt, canvas.frames, canvas.size, canvas.fps, canvas.negative) == (
        "a ball",
        9,
        (48, 32),
        6.0,
        "fog",
    )
    assert sampling == Sampling(5, 7, 2.5, "euler")


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"steps": 0}, {"steps": 10**9}, {"guidance": -1}, {"guidance": float("nan")}]
)
def test_impossible_samplings_are_refused_with_their_value(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_an_unknown_solver_is_refused_with_the_known_ones(tiny_model):
    with pytest.raises(InputError, match="euler"):
        generate(tiny_model, Canvas("", 1, (32, 32)), Sampling(0, 2, solver="magic"))
