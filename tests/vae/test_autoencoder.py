import pytest
import torch

from patchworld.shapes import Grid, Shape
from patchworld.vae import Autoencoder, AutoencoderConfig
from patchworld.vae.layers import fold, unfold


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(latent_channels=4, width=16, depth=1))
    for parameter in model.parameters():  # what starts at zero would hide mistakes
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.requires_grad_(False)


def video(frames=17, height=16, width=24):
    return torch.rand(1, 3, frames, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_unfold_inverts_fold():
    x = torch.randn(2, 3, 4, 8, 6)
    assert torch.equal(unfold(fold(x, 2, 2), 2, 2), x)


def test_four_frames_and_8_by_8_pixels_become_one_voxel(autoencoder):
    assert autoencoder.encode(video()).shape == (1, 4, 5, 2, 3)
    assert autoencoder.encode(video(frames=1)).shape == (1, 4, 1, 2, 3)


def test_encoding_a_prefix_equals_the_prefix_of_the_encoding(autoencoder):
    whole = autoencoder.encode(video())
    for frames in (1, 5, 13):
        prefix = autoencoder.encode(video()[:, :, :frames])
        torch.testing.assert_close(prefix, whole[:, :, : prefix.shape[2]], rtol=0, atol=1e-5)


def test_decoding_a_prefix_equals_the_prefix_of_the_decoding(autoencoder):
    latent = autoencoder.encode(video())
    torch.testing.assert_close(
        autoencoder.decode(latent[:, :, :3]), autoencoder.decode(latent)[:, :, :9], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("cuts", [(1, 4, 12), (5, 12), (9, 4, 4), (17,)])
def test_streaming_equals_one_piece(autoencoder, cuts):
    pieces = torch.cat(list(autoencoder.encode_stream(video().split(cuts, dim=2))), dim=2)
    whole = autoencoder.encode(video())
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-5)
    for length in (1, 2, 5):
        streamed = torch.cat(list(autoencoder.decode_stream(whole.split(length, dim=2))), dim=2)
        torch.testing.assert_close(streamed, autoencoder.decode(whole), rtol=0, atol=1e-5)


def test_sizes_off_the_grid_are_continued_inside_and_cut_back(autoencoder):
    pixels = video(6, 13, 21)
    latent = autoencoder.encode(pixels)
    assert latent.shape == (1, 4, 3, 2, 3)
    assert autoencoder.decode(latent, Shape(6, 13, 21)).shape == pixels.shape
    assert autoencoder.encode(pixels, Grid(4, 16)).shape == (1, 4, 3, 2, 4)


def test_the_matrices_alone_move_differences_between_pixels_and_latents():
    torch.manual_seed(3)
    autoencoder = Autoencoder(AutoencoderConfig(latent_channels=12, width=8, depth=1))  # its residual is still zero
    latent = torch.randn(12, 3, 2, 4)
    frames = autoencoder.linear_pixels(latent.transpose(0, 1))
    assert frames.shape == (3, 4, 3, 16, 32)
    torch.testing.assert_close(autoencoder.linear_pixels(latent.transpose(0, 1), last=1), frames[:, 3:])
    decoded, mean = autoencoder.decode(latent[None])[0], autoencoder.decode(torch.zeros(1, 12, 3, 2, 4))[0]
    torch.testing.assert_close(frames.flatten(0, 1)[3:].transpose(0, 1), decoded - mean, rtol=1e-4, atol=1e-5)
    one, other = torch.rand(2, 3, 9, 16, 32)
    difference = (one - other).transpose(0, 1)  # the first frame stands for a block of four
    blocks = torch.cat([difference[:1].expand(3, -1, -1, -1), difference]).unflatten(0, (3, 4))
    found = autoencoder.linear_latent(blocks, 7).transpose(0, 1)
    expected = autoencoder.encode(one[None]) - autoencoder.encode(other[None])
    torch.testing.assert_close(found, expected[0, :7], rtol=1e-4, atol=1e-5)
