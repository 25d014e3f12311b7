from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import moving_square

from patchworld.canvas import Block, Canvas, Condition
from patchworld.errors import InputError, RunError
from patchworld.generate import DETAIL_FADES, Sampling, _finished, generate, stream
from patchworld.model import Model
from patchworld.patches import PatchGrid
from patchworld.vae import decode_latents, encode_clip
from patchworld.video import Clip

QUICK = Sampling(seed=3, steps=3)
SHORT = replace(QUICK, window=8, history=8)  # two blocks at a time


@pytest.fixture
def latents(monkeypatch):
    """The pieces of latents that were decoded."""
    seen = []

    def decode(autoencoder, pieces, size):
        pieces = list(pieces)
        seen.extend(pieces)
        return decode_latents(autoencoder, pieces, size)

    monkeypatch.setattr("patchworld.generate.decode_latents", decode)
    return seen


def test_the_same_seed_gives_the_same_clip_and_another_seed_another(tiny_model):
    canvas = Canvas("a red ball", 9, (32, 32))
    first, again, other = (generate(tiny_model, canvas, Sampling(seed, 3)).frames for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_clip_has_the_frames_size_and_rate_of_its_canvas(tiny_model):
    for sampling in (QUICK, SHORT):
        clip = generate(tiny_model, Canvas("a red ball", 14, (50, 34), fps=5), sampling)
        assert clip.frames.shape == (14, 34, 50, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.fps == 5


def test_the_prompt_and_the_negative_prompt_matter(tiny_model):
    clips = [
        generate(tiny_model, Canvas(prompt, 1, (32, 32), negative=negative), QUICK).frames
        for prompt, negative in (("a red ball", ""), ("left", ""), ("a red ball", "left"))
    ]
    assert not np.array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2])


def test_frames_that_are_given_whole_come_back_exactly(tiny_model):
    given = moving_square(17)
    whole = generate(tiny_model, Canvas("", 17, (32, 32), conditions=(Condition(given),)), QUICK)
    assert np.array_equal(whole.frames, given.frames)
    ends = (Condition(Clip(given.frames[:5], 8)), Condition(Clip(given.frames[13:], 8), 13))
    clip = generate(tiny_model, Canvas("", 17, (32, 32), conditions=ends), QUICK)
    changed = (clip.frames != given.frames).any((1, 2, 3))
    assert changed.tolist() == [False] * 5 + [True] * 8 + [False] * 4


def test_what_is_dreamed_beside_given_frames_follows_them(tiny_model):
    ways = [moving_square(5, color=color) for color in ((230, 30, 40), (20, 40, 230))]
    after = [generate(tiny_model, Canvas("", 13, (32, 32), conditions=(Condition(c),)), QUICK) for c in ways]
    before = [generate(tiny_model, Canvas("", 13, (32, 32), conditions=(Condition(c, 8),)), QUICK) for c in ways]
    assert not np.array_equal(after[0].frames[5:], after[1].frames[5:])
    assert not np.array_equal(before[0].frames[:8], before[1].frames[:8])


def test_given_tokens_leave_the_sampler_as_the_autoencoder_made_them(tiny_model, latents):
    given = moving_square(13)
    mask = np.zeros((32, 32), bool)
    mask[:, :16] = True
    generate(tiny_model, Canvas("", 13, (32, 32), conditions=(Condition(given, mask=mask),)), SHORT)
    composed = Clip(np.where(mask[..., None], given.frames, 128).astype(np.uint8), 8)
    alone = encode_clip(tiny_model.autoencoder, composed)
    assert torch.equal(torch.cat(latents, dim=1)[..., :2], alone[..., :2])
    assert not torch.equal(torch.cat(latents, dim=1)[..., 2:], alone[..., 2:])


def test_tokens_of_several_latent_frames_go_through_windows_as_well(tiny_model, latents):
    config = tiny_model.denoiser.config.model_copy(update={"patch_time": 2, "num_outputs": 32})
    torch.manual_seed(2)
    model = replace(tiny_model, denoiser=type(tiny_model.denoiser)(config))
    given = moving_square(25)
    mask = np.zeros((32, 32), bool)
    mask[:16] = True
    clip = generate(model, Canvas("", 25, (32, 32), conditions=(Condition(given, mask=mask),)), SHORT)
    composed = Clip(np.where(mask[..., None], given.frames, 128).astype(np.uint8), 8)
    alone = encode_clip(tiny_model.autoencoder, composed)
    assert torch.equal(torch.cat(latents, dim=1)[..., :2, :], alone[..., :2, :])
    assert np.array_equal(clip.frames[:, :16], given.frames[:, :16])


def test_detail_stays_where_nothing_changes_and_fades_with_what_does():
    patch, near = PatchGrid(1, 2), Block(torch.zeros(2, 16), torch.zeros(2), torch.ones(3, 1, 2, 4))
    open_block = Block(torch.zeros(2, 16), torch.ones(2), torch.zeros(3, 1, 2, 4))
    dreamed = torch.stack([torch.zeros(16), torch.full((16,), DETAIL_FADES / 2)])
    detail = _finished(open_block, dreamed, near, patch).detail
    assert torch.allclose(detail, torch.tensor([1.0, 1.0, 0.5, 0.5]).expand(3, 1, 2, 4))
    assert not _finished(open_block, dreamed + DETAIL_FADES, near, patch).detail.any()
    half_given = Block(torch.zeros(2, 16), torch.tensor([0.0, 1.0]), torch.zeros(3, 1, 2, 4))
    assert torch.equal(
        _finished(half_given, torch.zeros(2, 16), near, patch).detail[0, 0, 0], torch.tensor([0, 0, 1.0, 1])
    )


@pytest.mark.parametrize(
    ("places", "frames"), [((0,), 17), ((13,), 17), ((0, 13), 17), ((0,), 16)], ids=["after", "before", "both", "loop"]
)
def test_texture_that_no_latent_holds_is_put_back_beside_given_frames(tiny_model, monkeypatch, places, frames):
    """A decoder that shows grey, whatever it is given, and a texture that stands still: 4 frames of all at each place.

    What is dreamed after given frames has all of it; towards given frames it comes within 16 frames.
    """
    monkeypatch.setattr(
        "patchworld.generate.decode_latents",
        lambda autoencoder, latents, size: (np.full((32, 32, 3), 128, np.uint8) for each in latents for _ in range(17)),
    )
    texture = np.random.default_rng(0).integers(28, 228, (1, 32, 32, 3), dtype=np.uint8)
    given = Clip(texture.repeat(4, 0), 8)
    conditions = tuple(Condition(given, start=place) for place in places)
    canvas = Canvas("", frames, (32, 32), conditions=conditions, circular=frames == 16)
    made = generate(tiny_model, canvas, QUICK).frames
    for number in range(frames):
        share = 1.0 if 0 in places or number >= 13 else (number + 1) / 14
        expected = 128 + share * (texture[0].astype(float) - 128)
        assert np.abs(made[number] - expected).max() <= 1


def test_streaming_gives_the_frames_of_the_whole(tiny_model):
    canvas = Canvas("a red ball", 30, (32, 32))
    streamed = list(stream(tiny_model, canvas, SHORT))
    assert np.array_equal(np.stack(streamed), generate(tiny_model, canvas, SHORT).frames)


def test_a_longer_canvas_keeps_the_beginning_of_a_shorter_one(tiny_model):
    short, long = (generate(tiny_model, Canvas("a red ball", frames, (32, 32)), SHORT).frames for frames in (17, 41))
    whole_windows = 5 + 8  # the last one of the shorter canvas is cut short
    assert np.array_equal(long[:whole_windows], short[:whole_windows])


def test_windows_go_on_with_what_was_dreamed_before_them(tiny_model):
    canvas = Canvas("a red ball", 21, (32, 32), changes=((5, "left"),))
    one, two = (generate(tiny_model, replace(canvas, prompt=prompt), SHORT).frames for prompt in ("a red ball", "一个"))
    assert not np.array_equal(one[5:], two[5:])


def test_backwards_what_is_near_the_given_end_is_dreamed_first(tiny_model):
    ends = [moving_square(9, color=color) for color in ((230, 30, 40), (20, 40, 230))]
    clips = [generate(tiny_model, Canvas("", 34, (32, 32), conditions=(Condition(c, 25),)), SHORT) for c in ends]
    assert np.array_equal(clips[0].frames[25:], ends[0].frames)
    assert not np.array_equal(clips[0].frames[:8], clips[1].frames[:8])  # through the windows between


def test_frames_come_before_later_windows_are_dreamed(tiny_model):
    steps = []
    frames = stream(tiny_model, Canvas("", 401, (32, 32)), SHORT, lambda done, total, latent: steps.append(done))
    for _ in range(5):
        next(frames)
    assert max(steps) == QUICK.steps


def test_a_prompt_that_changes_leaves_what_was_before_it(tiny_model):
    canvas = Canvas("a red ball", 17, (32, 32))
    plain = generate(tiny_model, canvas, SHORT).frames
    changed = generate(tiny_model, replace(canvas, changes=((5, "left"),)), SHORT).frames
    assert np.array_equal(changed[:5], plain[:5])
    assert not np.array_equal(changed[5:], plain[5:])
    the_same = replace(canvas, changes=((9, "a red ball"),))
    assert np.array_equal(generate(tiny_model, the_same, SHORT).frames, plain)


def test_after_a_cut_nothing_is_remembered(tiny_model):
    given = Condition(moving_square(5))
    cut = Canvas("left", 14, (32, 32), cuts=(5,), conditions=(given,))
    other = replace(cut, conditions=(Condition(moving_square(5, color=(20, 40, 230))),))
    one, two = (generate(tiny_model, canvas, QUICK).frames for canvas in (cut, other))
    assert np.array_equal(one[5:], two[5:])
    assert not np.array_equal(generate(tiny_model, replace(cut, cuts=()), QUICK).frames[5:], one[5:])


def test_on_a_circle_no_frame_is_first(tiny_model, latents):
    """Decoded around and around, its frames stay the same: nothing shows where the circle was begun."""
    clip = generate(tiny_model, Canvas("a red ball", 8, (32, 32), circular=True), QUICK)
    around = list(decode_latents(tiny_model.autoencoder, [latents[-1]] * 9, (32, 32)))
    assert np.array_equal(np.stack(around[-8:]), clip.frames)


def test_a_circle_that_is_no_whole_number_of_blocks_or_too_long_is_refused(tiny_model):
    for frames in (6, 12):
        with pytest.raises(InputError, match=f"a circle of {frames} frames: use a multiple of 4 frames, up to 8"):
            generate(tiny_model, Canvas("", frames, (32, 32), circular=True), SHORT)


@pytest.fixture(scope="module")
def playable(tiny_model):
    """A world that knows two actions."""
    torch.manual_seed(1)
    config = tiny_model.denoiser.config.model_copy(update={"actions": ("left", "right")})
    denoiser = type(tiny_model.denoiser)(config)
    denoiser.load_state_dict({**denoiser.state_dict(), **tiny_model.denoiser.state_dict()})
    torch.nn.init.normal_(denoiser.embed_action.weight, std=3.0)
    return Model(tiny_model.autoencoder, denoiser, tiny_model.text_encoder, tiny_model.process)


def test_the_world_answers_to_what_is_done_and_not_before(playable):
    canvas = Canvas("a red ball", 13, (32, 32))
    done = [("left",) * 13, ("left",) * 9 + ("right",) * 4, ()]
    sampling = replace(QUICK, window=4)
    one, other, nothing = (generate(playable, replace(canvas, actions=names), sampling).frames for names in done)
    assert np.array_equal(one[:9], other[:9])
    assert not np.array_equal(one[9:], other[9:])
    assert not np.array_equal(one, nothing)


def test_actions_are_asked_for_as_late_as_possible_and_end_the_video(playable):
    asked = []

    def typed():
        for number in range(9):
            asked.append(number)
            yield "left"

    sampling = replace(QUICK, window=4)
    frames = stream(playable, Canvas("", 99, (32, 32), actions=typed()), sampling)
    next(frames)
    assert len(asked) == 1
    assert len(list(frames)) == 8
    live = list(stream(playable, Canvas("", 99, (32, 32), actions=typed()), sampling))
    listed = generate(playable, Canvas("", 9, (32, 32), actions=("left",) * 9), sampling)
    assert np.array_equal(np.stack(live), listed.frames)


def test_a_canvas_larger_than_the_memory_is_refused_at_once(tiny_model):
    with pytest.raises(RunError, match=r"100000 frames of 4096x4096 need \d+ GB"):
        generate(tiny_model, Canvas("", 100_000, (4096, 4096)), QUICK)
    with pytest.raises(RunError, match=r"100000 frames of 512x512 need \d+ GB"):
        next(stream(tiny_model, Canvas("", 100_000, (512, 512)), replace(QUICK, window=100_000)))


def test_progress_is_reported_for_every_step_of_all_windows_with_the_latent_so_far(tiny_model):
    seen = []

    def on_step(done, steps, latent):
        seen.append((done, steps, latent.shape))

    generate(tiny_model, Canvas("", 5, (32, 32)), QUICK, on_step)
    assert seen == [(1, 3, (4, 2, 4, 4)), (2, 3, (4, 2, 4, 4)), (3, 3, (4, 2, 4, 4))]
    seen.clear()
    generate(tiny_model, Canvas("", 17, (32, 32)), replace(SHORT, steps=2), on_step)
    assert [(done, steps) for done, steps, _ in seen] == [(n, 6) for n in range(1, 7)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"steps": 0},
        {"steps": 10**9},
        {"guidance": -1},
        {"guidance": float("nan")},
        {"window": 0},
        {"history": 0.5},
    ],
)
def test_impossible_samplings_are_refused_with_their_value(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_an_unknown_solver_is_refused_with_the_known_ones(tiny_model):
    with pytest.raises(InputError, match="euler"):
        generate(tiny_model, Canvas("", 1, (32, 32)), Sampling(0, 2, solver="magic"))
