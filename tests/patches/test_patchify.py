import pytest
import torch

from patchworld.errors import InputError
from patchworld.patches import Pack, pack, patchify, positions, unpack, unpatchify
from patchworld.shapes import Grid, Shape

PATCH = Grid(1, 2)


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
