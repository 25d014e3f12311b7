"""What moves is carried along: on pictures that slide by a known way, through an autoencoder that loses nothing."""

import math

import pytest
import torch

from patchworld.motion import OWN, SAYS, follow, motion_loss
from patchworld.patches import Pack, PatchGrid, pack, patchify, positions, unpatchify
from patchworld.shapes import Shape
from patchworld.vae import Autoencoder, AutoencoderConfig

PATCH = PatchGrid(1, 2)
SHAPE = Shape(3, 2, 3)  # in tokens: 9 frames of 48x32
RIGHT, DOWN = 1, -0.5  # pixels a frame
SPEED = (4 * RIGHT / 8, 4 * DOWN / 8)  # voxels a latent frame
INSIDE = (slice(None), slice(None), slice(1, -1), slice(2, -2))  # voxels that never see beyond the border


@pytest.fixture(scope="module")
def lossless():
    autoencoder = Autoencoder(AutoencoderConfig(latent_channels=768, width=8, depth=1))
    for layer in (autoencoder.to_latent, autoencoder.to_pixels):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return autoencoder


def sliding(frames=9, height=32, width=48):
    """Waves that slide right and up: (3, f, h, w)."""
    time, y, x = torch.meshgrid(torch.arange(frames), torch.arange(height), torch.arange(width), indexing="ij")
    x, y = x - RIGHT * time, y - DOWN * time
    return torch.stack([torch.sin(x / 5 + y / 9), torch.cos(y / 6), torch.sin(x / 7 - y / 8)])


def tokens_of(video, autoencoder):
    return patchify(autoencoder.encode(video[None])[0].detach(), PATCH)


def packed(tokens, shape=SHAPE):
    return pack([tokens], [positions(shape, 0.5)], [shape])


def say(speed, sure_before, sure_after, shape=SHAPE):
    numbers = torch.tensor([*speed, sure_before, sure_after])
    latent = shape.multiplied(PATCH)
    return patchify(numbers[:, None, None, None].expand(SAYS, *latent).contiguous(), PATCH)


@pytest.mark.parametrize("known", ["first", "last"])
def test_one_known_frame_becomes_all_the_others_by_the_motion_that_is_said(lossless, known):
    clean = tokens_of(sliding(), lossless)
    each = SHAPE.height * SHAPE.width
    there = slice(0, each) if known == "first" else slice(-each, None)
    guess, level = torch.zeros_like(clean), torch.ones(len(clean))
    guess[there], level[there] = clean[there], 0.0
    said = say(SPEED, *((-30.0, 30.0) if known == "first" else (30.0, -30.0)))
    found = follow(guess, said, packed(guess), level, lossless, PATCH)
    assert torch.equal(found[there], clean[there])
    wrong = unpatchify(found - clean, SHAPE, PATCH)[INSIDE].abs().max()
    assert wrong < 0.05 < unpatchify(guess - clean, SHAPE, PATCH)[INSIDE].abs().max() / 10


def test_each_voxel_begins_with_its_own_estimate_and_what_has_no_noise_keeps_it(lossless):
    own = torch.randn(SHAPE.volume, PATCH.num_values(768), generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(SHAPE.volume, PATCH.num_values(SAYS))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(follow(own, nothing, packed(own), torch.zeros(len(own)), lossless, PATCH), own)
    begun = follow(own, nothing, packed(own), torch.ones(len(own)), lossless, PATCH)
    kept = 1 / (1 + math.exp(-OWN))
    assert 0 < (begun - own).square().mean().sqrt() < 4 * (1 - kept)


def test_clips_of_a_pack_do_not_see_each_other(lossless):
    draw = torch.Generator().manual_seed(1)
    shapes = (Shape(1, 2, 2), Shape(3, 1, 2), Shape(2, 2, 1))
    parts = [torch.randn(s.volume, PATCH.num_values(768), generator=draw) for s in shapes]
    saids = [torch.randn(s.volume, PATCH.num_values(SAYS), generator=draw) * 3 for s in shapes]
    levels = [torch.rand(s.volume, generator=draw) for s in shapes]
    whole = pack(parts, [positions(s, 0.5) for s in shapes], shapes)
    together = follow(whole.tokens, torch.cat(saids), whole, torch.cat(levels), lossless, PATCH)
    alone = [
        follow(part, said, packed(part, s), level, lossless, PATCH)
        for part, said, s, level in zip(parts, saids, shapes, levels, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=0)
    assert torch.equal(together[: shapes[0].volume], parts[0])  # a picture has nothing beside it
    assert not torch.equal(together, whole.tokens)


def test_a_clip_without_its_first_frame_is_a_shorter_clip_and_one_without_single_tokens_stays(lossless):
    draw = torch.Generator().manual_seed(2)
    shapes = (Shape(3, 1, 2), Shape(3, 1, 2), Shape(2, 1, 2))
    size = sum(shape.volume for shape in shapes)
    tokens = torch.randn(size, PATCH.num_values(768), generator=draw)
    said, level = torch.randn(size, PATCH.num_values(SAYS), generator=draw) * 3, torch.rand(size, generator=draw)
    kept = torch.ones(size, dtype=torch.bool)
    kept[:2] = kept[9] = False  # the first frame of the first clip, and one token of the second
    some = Pack(tokens, torch.cat([positions(s, 0.5) for s in shapes]), shapes).keep(kept)
    found = follow(some.tokens, said[kept], some, level[kept], lossless, PATCH).split(some.lengths)
    shorter = packed(tokens[2:6], Shape(2, 1, 2))
    assert torch.equal(found[0], follow(tokens[2:6], said[2:6], shorter, level[2:6], lossless, PATCH))
    assert torch.equal(found[1], some.tokens[4:9])
    assert not torch.equal(found[2], tokens[12:])
    loss = motion_loss(some.tokens, said[kept], some, lossless, PATCH)
    apart = [
        motion_loss(tokens[part], said[part], packed(tokens[part], Shape(2, 1, 2)), lossless, PATCH)
        for part in (slice(2, 6), slice(12, 16))
    ]
    torch.testing.assert_close(loss, torch.stack(apart).mean())


def test_gradients_go_to_a_voxels_own_estimate_and_to_how_sure_it_is(lossless):
    draw = torch.Generator().manual_seed(3)
    shape = Shape(2, 1, 1)
    own = torch.randn(shape.volume, PATCH.num_values(768), generator=draw).requires_grad_()
    said = say((0.0, 0.0), -9.0, -9.0, shape).requires_grad_()  # nothing moves
    towards = torch.randn(own.shape, generator=draw)
    (follow(own, said, packed(own, shape), torch.ones(len(own)), lossless, PATCH) * towards).sum().backward()
    sure = 1 / (1 + math.exp(9.0 - OWN))
    torch.testing.assert_close(own.grad, sure * towards, rtol=1e-4, atol=1e-5)
    moved, earlier, later = unpatchify(said.grad, shape, PATCH).split([2, 1, 1])
    assert not moved.any()
    assert [bool(part.any()) for part in earlier.unbind(1)] == [False, True]
    assert [bool(part.any()) for part in later.unbind(1)] == [True, False]


def test_motion_is_found_from_how_well_it_predicts_the_next_frame(lossless):
    clean = tokens_of(sliding(), lossless)
    said = say((0.0, 0.0), 0.0, 0.0).requires_grad_()
    optimizer = torch.optim.Adam([said], lr=0.05)
    for _ in range(60):
        loss = motion_loss(clean, said, packed(clean), lossless, PATCH)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = unpatchify(said.detach(), SHAPE, PATCH)[INSIDE][:2, 1:]
    torch.testing.assert_close(found.mean((1, 2, 3)), torch.tensor(SPEED), rtol=0, atol=0.06)
    best, still = (
        motion_loss(clean, say(speed, 0.0, 0.0), packed(clean), lossless, PATCH) for speed in (SPEED, (0.0, 0.0))
    )
    assert best < still / 3


def test_pictures_have_no_motion_to_learn(lossless):
    shape = Shape(1, 2, 3)
    clean = torch.ones(shape.volume, PATCH.num_values(768))
    said = torch.ones(shape.volume, PATCH.num_values(SAYS), requires_grad=True)
    loss = motion_loss(clean, said, packed(clean, shape), lossless, PATCH)
    loss.backward()
    assert loss == 0
    assert not said.grad.any()
