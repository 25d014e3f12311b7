import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import moving_square

from patchworld.shapes import Grid, Shape
from patchworld.vae import (
    Autoencoder,
    AutoencoderConfig,
    decode_clip,
    decode_latents,
    encode_clip,
    encode_frames,
    preview,
    to_pixels,
)
from patchworld.vae import clips as clips_module
from patchworld.vae.clips import to_frames


@pytest.fixture
def small_pieces(monkeypatch):
    """Few pixels at once: what is tested here goes through in pieces of two steps of 24 x 32 pixels."""
    monkeypatch.setattr(clips_module, "PIXELS_AT_ONCE", 2 * 4 * 24 * 32)


def random_autoencoder():
    """With weights that nowhere are zero: those would hide mistakes."""
    torch.manual_seed(0)
    sizes = AutoencoderConfig(latent_channels=4, width=16, depth=1)
    autoencoder = Autoencoder(sizes).requires_grad_(False)
    for parameter in autoencoder.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return autoencoder


AUTOENCODER = random_autoencoder()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(steps=st.lists(st.integers(1, 6), min_size=1, max_size=6), height=st.integers(1, 26), width=st.integers(1, 26))
def test_any_division_into_chunks_gives_the_same_latents_and_pixels(steps, height, width):
    full = Shape(1, height, width).padded(AUTOENCODER.grid)
    generator = torch.Generator().manual_seed(height * width)
    pixels = torch.rand(1, 3, 1 + 4 * (sum(steps) - 1), full.height, full.width, generator=generator) * 2 - 1
    lengths = [1 + 4 * (steps[0] - 1), *(4 * count for count in steps[1:])]
    whole = AUTOENCODER.encode(pixels)
    latent = torch.cat(list(AUTOENCODER.encode_stream(pixels.split(lengths, dim=2))), dim=2)
    torch.testing.assert_close(latent, whole, rtol=0, atol=1e-5)
    rebuilt = torch.cat(list(AUTOENCODER.decode_stream(whole.split(steps, dim=2))), dim=2)
    torch.testing.assert_close(rebuilt, AUTOENCODER.decode(whole), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("frames", [1, 2, 5, 6, 21])
def test_frames_off_the_grid_are_continued_never_stretched(tiny_model, frames):
    clip = moving_square(frames, (31, 23))
    full = Shape(frames, 23, 31).padded(Grid(4, 8))
    margin = [(0, after - before) for after, before in zip(full, (frames, 23, 31), strict=True)]
    continued = np.pad(clip.frames, [*margin, (0, 0)], mode="edge")
    latent = torch.cat(list(encode_frames(tiny_model.autoencoder, clip.frames)), dim=1)
    expected = torch.cat(list(encode_frames(tiny_model.autoencoder, continued)), dim=1)
    assert torch.equal(latent, expected)
    rebuilt = list(decode_latents(tiny_model.autoencoder, [latent], (31, 23)))
    assert len(rebuilt) == full.frames
    assert all(frame.shape == (23, 31, 3) for frame in rebuilt)


@pytest.mark.usefixtures("small_pieces")
def test_a_video_is_never_held_as_a_whole(tiny_model):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield np.full((24, 32, 3), taken % 256, np.uint8)

    latents = encode_frames(tiny_model.autoencoder, endless())
    rebuilt = decode_latents(tiny_model.autoencoder, latents, (32, 24))
    for shown in range(1, 60):
        next(rebuilt)
        assert taken <= shown + 8  # the frames of one piece


@pytest.mark.parametrize(("size", "steps"), [((64, 64), 64), ((512, 512), 1), ((1920, 1080), 1)])
def test_larger_pictures_go_through_in_shorter_pieces(size, steps):
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    piece = next(clips_module._pieces((frame for _ in range(400)), Grid(4, 8)))
    assert len(piece) == 1 + 4 * (steps - 1)


def test_the_caller_s_gradients_stay_on_between_pieces(tiny_model):
    for _ in encode_frames(tiny_model.autoencoder, moving_square(5).frames):
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")


def test_frames_come_back_from_their_pixels():
    frames = moving_square(3).frames
    pixels = to_pixels(frames)
    assert pixels.shape == (1, 3, 3, 32, 32)
    assert -1 <= pixels.min() < pixels.max() <= 1
    assert np.array_equal(to_frames(pixels), frames)


@pytest.mark.usefixtures("small_pieces")
def test_decoding_in_pieces_equals_decoding_at_once(tiny_model):
    latent = torch.randn(6, 19, 2, 2)
    pieces = decode_clip(tiny_model.autoencoder, latent, Shape(73, 16, 16), 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        whole = to_frames(tiny_model.autoencoder.decode(latent[None]))
    assert np.abs(pieces.frames.astype(int) - whole).max() <= 1


@pytest.mark.usefixtures("small_pieces")
def test_encoding_in_pieces_equals_encoding_at_once(tiny_model):
    clip = moving_square(76, (20, 16))  # not on the grid, and more than two pieces
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for grid, shape in ((None, (6, 20, 2, 3)), (Grid(4, 16), (6, 20, 2, 4))):
            pieces = encode_clip(tiny_model.autoencoder, clip, grid)
            whole = tiny_model.autoencoder.encode(to_pixels(clip.frames), grid)[0]
            assert pieces.shape == shape
            torch.testing.assert_close(pieces, whole.float(), atol=0.02, rtol=0.02)


def test_a_preview_is_the_linear_half_of_the_decoder_averaged_over_blocks():
    autoencoder = random_autoencoder()
    latent = torch.randn(autoencoder.latent_channels - 2, 3, 2, 5, generator=torch.Generator().manual_seed(0)) / 4
    shown = preview(autoencoder, latent)
    for parameter in autoencoder.decoder.conv_out.parameters():
        torch.nn.init.zeros_(parameter)  # what is left is linear
    pixels = autoencoder.decode_chunk(latent[None], None, first=False)[0]  # (3, 12, 16, 40)
    blocks = pixels.unflatten(1, (3, 4)).unflatten(3, (2, 8)).unflatten(5, (5, 8)).mean((2, 4, 6))
    expected = (blocks.clamp(-1, 1) + 1) * 127.5
    assert np.abs(shown - expected.permute(1, 2, 3, 0).detach().numpy()).max() <= 0.51


def test_decoding_looks_back_no_further_than_its_reach():
    autoencoder = random_autoencoder()
    shape = (1, autoencoder.latent_channels, autoencoder.reach + 3, 2, 2)
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    other = latent.clone()
    other[:, :, 0] += 1
    with torch.no_grad():
        changed = (autoencoder.decode(latent) != autoencoder.decode(other)).flatten(3).any(3)[0].any(0)
    last = int(changed.nonzero().max())  # frames 4 j - 3 to 4 j are those of latent frame j
    assert 4 * (autoencoder.reach - 2) < last <= 4 * autoencoder.reach
