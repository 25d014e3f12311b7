"""Clips to latents and back, some frames at a time, so that memory does not grow with the length of a video.

`encode_frames` and `decode_latents` take and give one piece after the other, for videos longer than memory;
`encode_clip` and `decode_clip` are the same for what fits. All arithmetic is in bfloat16, on the autoencoder's device;
frames and latents stay on the CPU.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from patchworld.shapes import Grid, Shape
from patchworld.vae.autoencoder import Autoencoder
from patchworld.vae.layers import Memory
from patchworld.video import Clip

PIXELS_AT_ONCE = 1 << 20  # of all frames of a piece; larger pieces take more memory and were not faster


def to_pixels(frames: NDArray[np.uint8], device: torch.device | None = None) -> Tensor:
    """Frames (f, h, w, 3) of 0 to 255 as the autoencoder takes them: (1, 3, f, h, w) float32 in [-1, 1]."""
    # Bytes travel to the device, a quarter of what numbers would be.
    return torch.from_numpy(frames).to(device).permute(3, 0, 1, 2)[None].float().div_(127.5).sub_(1)


def to_frames(pixels: Tensor) -> NDArray[np.uint8]:
    """The inverse of `to_pixels`; what lies beyond [-1, 1] is clipped."""
    frames = pixels[0].float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
    return frames.permute(1, 2, 3, 0).contiguous().cpu().numpy()


def encode_frames(
    autoencoder: Autoencoder, frames: Iterable[NDArray[np.uint8]], grid: Grid | None = None
) -> Iterator[Tensor]:
    """Frames (h, w, 3), of one size, to the latents (c, f, h, w) of a few at a time: float32, on the CPU.

    The last row and column, and in the end the last frame, are continued up to the `grid` (by default the
    autoencoder's own).
    """
    device = autoencoder.to_latent.weight.device
    for number, piece in enumerate(_pieces(frames, grid or autoencoder.grid)):
        # Entered for each piece anew: between them the caller runs, who may want gradients.
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            latent = autoencoder.encode_chunk(to_pixels(piece, device).bfloat16(), first=number == 0)
        yield latent[0].float().cpu()


def decode_latents(
    autoencoder: Autoencoder, latents: Iterable[Tensor], size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Latents (c, f, h, w), the pieces of one video of any lengths, to its frames (h, w, 3), one by one.

    `size` (width, height) is what the frames are cut to. There are 1 + 4k of them: the caller knows where to stop.
    """
    device = autoencoder.to_pixels.weight.device
    memory: Memory = {}
    first = True
    for latent in latents:
        most = _steps_at_once(Shape(*latent.shape[1:]).multiplied(autoencoder.grid), autoencoder.grid)
        for piece in latent.split(most, dim=1):
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
                pixels = autoencoder.decode_chunk(piece[None].to(device), memory, first=first)
            first = False
            yield from to_frames(pixels[..., : size[1], : size[0]])


def encode_clip(autoencoder: Autoencoder, clip: Clip, grid: Grid | None = None) -> Tensor:
    """A clip, continued up to the `grid` (by default the autoencoder's own), as its latent (c, f, h, w)."""
    return torch.cat(list(encode_frames(autoencoder, clip.frames, grid)), dim=1)


def decode_clip(autoencoder: Autoencoder, latent: Tensor, shape: Shape, fps: float) -> Clip:
    """A latent (c, f, h, w) as a clip, cut to `shape`."""
    frames = np.empty((*shape, 3), np.uint8)
    decoded = decode_latents(autoencoder, [latent], (shape.width, shape.height))
    for number, frame in zip(range(shape.frames), decoded, strict=False):  # of the last step some frames may be surplus
        frames[number] = frame
    return Clip(frames, fps)


def preview(autoencoder: Autoencoder, latent: Tensor) -> NDArray[np.uint8]:
    """What a latent (c, f, h, w) looks like, one pixel a voxel, (f, h, w, 3): a linear map, which costs nothing.

    The linear half of the decoder, averaged over the pixels of a block; of c channels the others count as their mean.
    """
    with torch.no_grad():
        weight = autoencoder.to_pixels.weight.float().unflatten(0, (-1, 3)).mean(0)[:, : len(latent)]  # (3, c)
        bias = autoencoder.to_pixels.bias.float().unflatten(0, (-1, 3)).mean(0)
        pixels = torch.einsum("kc,cfhw->kfhw", weight, latent.to(weight.device))
    return to_frames((pixels + bias[:, None, None, None])[None])


def _pieces(frames: Iterable[NDArray[np.uint8]], grid: Grid) -> Iterator[NDArray[np.uint8]]:
    """Stacks (f, h, w, 3) of whole steps of the `grid`; the first step of all is one frame."""
    waiting = iter(frames)
    step = 1
    while piece := list(islice(waiting, step)):
        full = Shape(1, *piece[0].shape[:2]).padded(grid)
        piece += islice(waiting, (_steps_at_once(full, grid) - 1) * grid.time)
        missing = (step - len(piece)) % grid.time
        height, width = piece[0].shape[:2]
        margin = ((0, missing), (0, full.height - height), (0, full.width - width), (0, 0))
        yield np.pad(np.stack(piece), margin, mode="edge")
        step = grid.time


def _steps_at_once(shape: Shape, grid: Grid) -> int:
    """How many steps of the `grid` make a piece: fewer of larger pictures, whatever their number of frames."""
    return max(1, PIXELS_AT_ONCE // (grid.time * shape.height * shape.width))
