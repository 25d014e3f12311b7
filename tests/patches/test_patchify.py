import pytest
import torch

from patchworld.errors import InputError
from patchworld.patches import Pack, PatchGrid, pack, patchify, positions, unpack, unpatchify
from patchworld.shapes import Shape

PATCH = PatchGrid(1, 2)


def test_a_patch_holds_exactly_its_pixels():
    latent = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6).float()  # c f h w
    tokens = patchify(latent, PATCH)
    assert tokens.shape == (3 * 2 * 3, 2 * 2 * 2)
    frame, row, column = 1, 1, 2
    token = tokens[(frame * 2 + row) * 3 + column]
    assert torch.equal(token.view(2, 2, 2), latent[:, frame, 2:4, 4:6].permute(1, 2, 0))


@pytest.mark.parametrize("shape", [(4, 1, 2, 2), (3, 5, 8, 6), (16, 2, 4, 10)])
def test_unpatchify_inverts_patchify(shape):
    latent = torch.randn(shape)
    token_shape = Shape(shape[1], shape[2] // 2, shape[3] // 2)
    assert torch.equal(unpatchify(patchify(latent, PATCH), token_shape, PATCH), latent)


@pytest.mark.parametrize("time", [2, 3, 4])
@pytest.mark.parametrize("frames", [1, 2, 4, 5, 6])
def test_tubelets_hold_every_frame_and_cost_no_token_beyond_the_last_block(frames, time):
    patch = PatchGrid(time, 2)
    latent = torch.randn(3, frames, 4, 6)
    tokens = patchify(latent, patch)
    shape = Shape(1 + -(-(frames - 1) // time), 2, 3)
    assert shape == Shape(frames, 4, 6).divided(patch)
    assert tokens.shape == (shape.volume, patch.num_values(3)) == (shape.volume, 3 * time * 2 * 2)
    back = unpatchify(tokens, shape, patch)
    assert torch.equal(back[:, :frames], latent)
    assert (back[:, frames:] == latent[:, -1:]).all()


def test_a_tubelet_of_the_first_frame_holds_it_several_times():
    latent = torch.randn(3, 5, 2, 2)
    first, second, third = patchify(latent, PatchGrid(2, 2)).view(3, 2, 2, 2, 3)  # token, frame, row, column, channel
    assert torch.equal(first[0], first[1])
    for token, frames in ((first, (0, 0)), (second, (1, 2)), (third, (3, 4))):
        assert torch.equal(token, latent[:, list(frames)].permute(1, 2, 3, 0))


@pytest.mark.parametrize("patch", [PatchGrid(1, 2), PatchGrid(2, 2), PatchGrid(2, 2, "frames")])
def test_cutting_commutes_with_adding_noise(patch):
    clean, noise = torch.randn(2, 3, 4, 4, 4)
    together = patchify(0.25 * clean + 0.75 * noise, patch)
    assert torch.equal(together, 0.25 * patchify(clean, patch) + 0.75 * patchify(noise, patch))


def test_sampled_frames_come_back_exactly_and_those_between_lie_on_the_line():
    patch = PatchGrid(4, 2, "frames")
    latent = torch.randn(3, 9, 4, 4)
    tokens = patchify(latent, patch)
    assert torch.equal(tokens, patchify(latent[:, [0, 4, 8]], PATCH))
    back = unpatchify(tokens, Shape(3, 2, 2), patch)
    assert torch.equal(back[:, [0, 4, 8]], latent[:, [0, 4, 8]])
    torch.testing.assert_close(back[:, 5], 0.75 * latent[:, 4] + 0.25 * latent[:, 8])
    # An image, and a last block that is not full.
    assert torch.equal(unpatchify(patchify(latent[:, :1], patch), Shape(1, 2, 2), patch), latent[:, :1])
    assert torch.equal(patchify(latent[:, :6], patch), patchify(latent[:, [0, 4, 5]], PATCH))


def test_a_latent_off_the_patch_grid_is_refused():
    with pytest.raises(InputError, match="does not divide into patches of 2"):
        patchify(torch.zeros(4, 1, 3, 4), PATCH)


def test_positions_are_seconds_and_places_in_the_picture():
    small, large = positions(Shape(3, 4, 4), 0.5), positions(Shape(3, 8, 8), 0.25)
    assert small[:, 0].unique().tolist() == [0.0, 0.5, 1.0]
    assert large[:, 0].unique().tolist() == [0.0, 0.25, 0.5]
    # The centre is zero, and left of a picture is the same place at every size.
    assert small[:, 1:].mean(0).abs().max() < 1e-6
    assert small[:, 2].min() == -6
    assert large[:, 2].min() == -7


def test_the_aspect_ratio_shows_in_the_positions():
    wide = positions(Shape(1, 4, 16), 1.0)
    assert wide[:, 2].max() - wide[:, 2].min() > 4 * (wide[:, 1].max() - wide[:, 1].min())


def test_a_pack_holds_clips_one_after_the_other():
    shapes = (Shape(2, 2, 3), Shape(1, 1, 1))
    tokens = [torch.randn(shape.volume, 5) for shape in shapes]
    packed = pack(tokens, [positions(shape, 1.0) for shape in shapes], shapes)
    assert isinstance(packed, Pack)
    assert packed.lengths == (12, 1)
    assert packed.frame_lengths.tolist() == [6, 6, 1]
    for ours, theirs in zip(unpack(packed.tokens, packed), tokens, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("patch", [PATCH, PatchGrid(2, 2), PatchGrid(2, 2, "frames")])
def test_a_video_cut_in_parts_gives_the_tokens_of_the_whole(patch):
    latent = torch.randn(3, 1 + 3 * patch.time, 4, 2)
    parts = latent.split([1, patch.time, 2 * patch.time], dim=1)
    tokens = [patchify(part, patch, begins=number == 0) for number, part in enumerate(parts)]
    assert torch.equal(torch.cat(tokens), patchify(latent, patch))
