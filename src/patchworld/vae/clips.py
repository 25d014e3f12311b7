"""Clips to latents and back, some frames at a time, so that memory does not grow with the length of a video."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from patchworld.shapes import Grid, Shape
from patchworld.vae.autoencoder import Autoencoder
from patchworld.video import Clip

LATENT_FRAMES_AT_ONCE = 8


def to_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """Frames (f, h, w, 3) of 0 to 255 as the autoencoder takes them: (1, 3, f, h, w) float32 in [-1, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def to_frames(pixels: Tensor) -> NDArray[np.uint8]:
    """The inverse of `to_pixels`; what lies beyond [-1, 1] is clipped."""
    frames = ((pixels[0].float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return frames.permute(1, 2, 3, 0).numpy()


@torch.no_grad()
def encode_clip(autoencoder: Autoencoder, clip: Clip, grid: Grid | None = None) -> Tensor:
    """A clip, continued up to the `grid` (by default the autoencoder's own), as its latent (c, f, h, w)."""
    shape = Shape(*clip.frames.shape[:3])
    full = shape.padded(grid or autoencoder.grid)
    margin = [(0, after - before) for after, before in zip(full, shape, strict=True)]
    frames = np.pad(clip.frames, [*margin, (0, 0)], mode="edge")
    stride = LATENT_FRAMES_AT_ONCE * autoencoder.grid.time
    pieces = np.split(frames, range(1 + stride, full.frames, stride))
    with torch.autocast("cpu", torch.bfloat16):
        latents = [latent[0] for latent in autoencoder.encode_stream(to_pixels(piece) for piece in pieces)]
    return torch.cat(latents, dim=1).float()


@torch.no_grad()
def decode_clip(autoencoder: Autoencoder, latent: Tensor, shape: Shape, fps: float) -> Clip:
    """A latent (c, f, h, w) as a clip, cut to `shape`."""
    with torch.autocast("cpu", torch.bfloat16):
        pieces = autoencoder.decode_stream(latent[None].split(LATENT_FRAMES_AT_ONCE, dim=2))
        frames = np.concatenate([to_frames(pixels[..., : shape.height, : shape.width]) for pixels in pieces])
    return Clip(np.ascontiguousarray(frames[: shape.frames]), fps)
