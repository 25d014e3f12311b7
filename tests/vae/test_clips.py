import numpy as np
import torch
from tiny import moving_square

from patchworld.shapes import Grid, Shape
from patchworld.vae import decode_clip, encode_clip, to_pixels
from patchworld.vae.clips import to_frames


def test_frames_come_back_from_their_pixels():
    frames = moving_square(3).frames
    pixels = to_pixels(frames)
    assert pixels.shape == (1, 3, 3, 32, 32)
    assert -1 <= pixels.min() < pixels.max() <= 1
    assert np.array_equal(to_frames(pixels), frames)


def test_decoding_in_pieces_equals_decoding_at_once(tiny_model):
    latent = torch.randn(4, 19, 2, 2)
    pieces = decode_clip(tiny_model.autoencoder, latent, Shape(73, 16, 16), 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        whole = to_frames(tiny_model.autoencoder.decode(latent[None]))
    assert np.abs(pieces.frames.astype(int) - whole).max() <= 1


def test_encoding_in_pieces_equals_encoding_at_once(tiny_model):
    clip = moving_square(76, (20, 16))  # not on the grid, and more than two pieces
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for grid, shape in ((None, (4, 20, 2, 3)), (Grid(4, 16), (4, 20, 2, 4))):
            pieces = encode_clip(tiny_model.autoencoder, clip, grid)
            whole = tiny_model.autoencoder.encode(to_pixels(clip.frames), grid)[0]
            assert pieces.shape == shape
            torch.testing.assert_close(pieces, whole.float(), atol=0.02, rtol=0.02)
