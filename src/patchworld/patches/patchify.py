"""Latents to spacetime patches and back, and where each patch lies in the picture and in time."""

import torch
from einops import rearrange
from torch import Tensor

from patchworld.errors import InputError
from patchworld.shapes import Grid, Shape


def patchify(latent: Tensor, patch: Grid) -> Tensor:
    """Cut a latent (c, f, h, w) into patches (n, p), in the order time, row, column.

    A patch spans `patch.space` x `patch.space` voxels of one latent frame, p = c * space * space.
    """
    height, width = latent.shape[-2:]
    if height % patch.space or width % patch.space:
        raise InputError(
            f"latent of {width}x{height} does not divide into patches of {patch.space}: pad the clip to the token grid"
        )
    return rearrange(latent, "c f (h p) (w q) -> (f h w) (p q c)", p=patch.space, q=patch.space)


def unpatchify(tokens: Tensor, shape: Shape, patch: Grid) -> Tensor:
    """The inverse of `patchify`: patches (n, p) of the token `shape` to a latent (c, f, h, w)."""
    frames, height, width = shape
    side = patch.space
    return rearrange(tokens, "(f h w) (p q c) -> c f (h p) (w q)", f=frames, h=height, w=width, p=side, q=side)


def positions(shape: Shape, frame_seconds: float) -> Tensor:
    """Where each token lies, (n, 3) float32: seconds, y and x.

    `frame_seconds` is the time from one token frame to the next, so a frame rate only changes how densely time is
    sampled. y and x are measured from the centre of the picture, in units that make its area 16 x 16: a thing at the
    left edge is at the left edge at every size, and the aspect ratio still shows.
    """
    frames, height, width = shape
    unit = 16 / (height * width) ** 0.5
    t = torch.arange(frames) * frame_seconds
    y = (torch.arange(height) + 0.5 - height / 2) * unit
    x = (torch.arange(width) + 0.5 - width / 2) * unit
    return torch.stack(torch.meshgrid(t, y, x, indexing="ij"), dim=-1).flatten(0, 2).float()
