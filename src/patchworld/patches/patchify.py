"""Latents to spacetime patches and back, and where each patch lies in the picture and in time."""

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor

from patchworld.errors import InputError
from patchworld.shapes import Grid, Shape

Embedding = Literal["tubelet", "frames"]


@dataclass(frozen=True)
class PatchGrid(Grid):
    """How a latent is cut: a token stands for `time` latent frames of `space` x `space` voxels.

    The two embeddings of video of ViViT (Arnab et al. 2021, section 3.2), at equally many tokens:

    tubelet     a token holds all `time` latent frames it stands for: p = c * time * space * space
    frames      uniform frame sampling: every `time`-th latent frame is embedded on its own, p = c * space * space, and
                the frames between are not seen; on the way back they are blended from their neighbours. What comes
                out is a video of keyframes, honest for slow scenes and previews.

    With `time` 1 the two are the same. A latent frame is itself a tubelet of 4 pixel frames, made by the autoencoder.

    The first token frame stands for the first latent frame alone, as the first latent frame stands for one pixel frame:
    an image is one token frame and 1 + k * time latent frames are 1 + k. A tubelet of the first frame holds it `time`
    times. Other numbers of frames are continued with their last one up to the next full block, which costs no token.
    """

    embedding: Embedding = "tubelet"

    def num_values(self, channels: int) -> int:
        """p, the values of one token."""
        return channels * self.space**2 * (self.time if self.embedding == "tubelet" else 1)


def patchify(latent: Tensor, patch: PatchGrid, *, begins: bool = True) -> Tensor:
    """Cut a latent (c, f, h, w) into patches (n, p), in the order time, row, column.

    begins: whether it is the beginning of a video; if not, its first token holds as many frames as the others.

    Linear, and the same for clean latents and for noise: noise has to be drawn for the latent and cut like it.
    """
    frames, height, width = latent.shape[1:]
    if height % patch.space or width % patch.space:
        raise InputError(
            f"latent of {width}x{height} does not divide into patches of {patch.space}: pad the clip to the token grid"
        )
    if not begins:
        before = patchify(torch.cat([latent[:, :1], latent], dim=1), patch)
        return before[height * width // patch.space**2 :]
    if patch.time > 1:
        full = Shape(frames, height, width).padded(patch).frames
        latent = torch.cat([latent, latent[:, -1:].expand(-1, full - frames, -1, -1)], dim=1)
        if patch.embedding == "frames":
            latent = latent[:, :: patch.time]
        else:
            latent = torch.cat([latent[:, :1].expand(-1, patch.time - 1, -1, -1), latent], dim=1)
    depth = patch.time if patch.embedding == "tubelet" else 1
    side = patch.space
    return rearrange(latent, "c (f t) (h p) (w q) -> (f h w) (t p q c)", t=depth, p=side, q=side)


def unpatchify(tokens: Tensor, shape: Shape, patch: PatchGrid) -> Tensor:
    """Patches (n, p) of the token `shape` to a latent (c, f, h, w) of 1 + (shape.frames - 1) * patch.time frames.

    The inverse of `patchify` for tubelets. For sampled frames those between two samples lie on the line between them.
    """
    height, width = shape.height, shape.width
    depth = patch.time if patch.embedding == "tubelet" else 1
    latent = rearrange(
        tokens, "(f h w) (t p q c) -> c (f t) (h p) (w q)", h=height, w=width, t=depth, p=patch.space, q=patch.space
    )
    if patch.embedding == "tubelet":
        return latent[:, patch.time - 1 :]
    share = torch.arange(1, patch.time + 1, device=latent.device, dtype=latent.dtype)[:, None, None] / patch.time
    between = torch.lerp(latent[:, :-1, None], latent[:, 1:, None], share)  # (c, f - 1, time, h, w)
    return torch.cat([latent[:, :1], between.flatten(1, 2)], dim=1)


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
