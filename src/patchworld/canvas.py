"""The one idea: some spacetime is given, the rest is dreamed.

A canvas has a size, a prompt, and conditions: pieces of video placed on it. Laid out, it is one latent with a *cap*
for every token, the highest noise level the token may have: 1 where it is dreamed, 0 where it is given, 1 - strength
where it is given softly. Every capability is a choice of conditions.

The first latent frame holds one pixel frame and the others four, so what is placed elsewhere than at the start cannot
be encoded on its own and pasted. The whole canvas is composed in pixels first and encoded once, in its place.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import reduce
from torch import Tensor

from patchworld.errors import InputError
from patchworld.patches import Pack, PatchGrid, patchify, positions, unpatchify
from patchworld.shapes import Grid, Shape, check_fps, pixel_shape
from patchworld.vae import Autoencoder, encode_clip
from patchworld.video import Clip


@dataclass(frozen=True, eq=False)
class Condition:
    """A clip or image placed on the canvas.

    clip        in the size of the canvas
    start       the frame of the canvas its first frame falls on
    strength    1 keeps it, 0 ignores it; between, it is redrawn from a noise level of 1 - strength
    mask        (height, width) or (frames, height, width) bool, true where it is given; everywhere if None
    """

    clip: Clip
    start: int = 0
    strength: float = 1.0
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Canvas:
    """What is to be made: `frames` of `size` (width, height) at `fps`, of `prompt` and away from `negative`."""

    prompt: str
    frames: int = 17
    size: tuple[int, int] = (64, 64)
    fps: float = 8.0
    negative: str = ""
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        shape = pixel_shape(self.frames, self.size)
        check_fps(self.fps)
        for condition in self.conditions:
            _check(condition, shape)

    @property
    def shape(self) -> Shape:
        return pixel_shape(self.frames, self.size)


@dataclass(frozen=True)
class Layout:
    """A canvas as the denoiser sees it.

    pack    the given tokens (n, p), zero where nothing is given, in their places
    cap     (n,) the highest noise level of each token
    latent  the shape of the latent
    detail  (c, f, h, w) the channels that are not dreamed, kept where all is given and zero, their mean, elsewhere
    """

    pack: Pack
    cap: Tensor
    latent: Shape
    detail: Tensor


def lay_out(canvas: Canvas, autoencoder: Autoencoder, patch: PatchGrid, channels: int) -> Layout:
    """Encode what is given on the canvas and find the cap of each token. The first `channels` are dreamed.

    A token is given where all of its pixels are, at the weakest of their strengths. Of the pixel frames of one latent
    frame, one that is given is enough: it is held for the others. Of the latent frames of one token all are needed.
    """
    grid = autoencoder.grid * patch
    latent_shape = canvas.shape.padded(grid).divided(autoencoder.grid)
    token_shape = canvas.shape.divided(grid)
    cap = torch.ones(token_shape.volume)
    latent = torch.zeros(autoencoder.latent_channels, *latent_shape)
    if canvas.conditions:
        frames, strength = compose(canvas)
        latent = encode_clip(autoencoder, Clip(frames, canvas.fps), grid)
        voxels = torch.from_numpy(token_strength(strength, canvas.shape.padded(grid), autoencoder.grid))
        cap = 1 - patchify(voxels[None], patch).amin(1)
    places = positions(token_shape, grid.time / canvas.fps)
    given = unpatchify((cap == 0).float()[:, None].expand(-1, patch.num_values(1)), token_shape, patch)
    detail = latent[channels:] * given[:, : latent_shape.frames].floor()  # between sampled frames `given` is a blend
    return Layout(Pack(patchify(latent[:channels], patch), places, (token_shape,)), cap, latent_shape, detail)


def compose(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """The conditions as frames (f, h, w, 3) and strengths (f, h, w); later ones lie over earlier ones.

    A pixel that is not given takes the last given value before it in time, or the first after it, or grey.
    """
    frames, height, width = canvas.shape
    pixels = np.full((frames, height, width, 3), 128, np.uint8)
    strength = np.zeros((frames, height, width), np.float32)
    for condition in canvas.conditions:
        stop = condition.start + condition.clip.num_frames
        given = np.ones((stop - condition.start, height, width), bool)
        if condition.mask is not None:
            given &= condition.mask.astype(bool)
        strength[condition.start : stop][given] = condition.strength
        pixels[condition.start : stop][given] = condition.clip.frames[given]
    index = np.where(strength > 0, np.arange(frames)[:, None, None], -1)
    before = np.maximum.accumulate(index, axis=0)
    first = np.where(strength > 0, np.arange(frames)[:, None, None], frames).min(axis=0)
    source = np.where(before >= 0, before, np.minimum(first, frames - 1)[None])
    return np.take_along_axis(pixels, source[..., None], axis=0), strength


def token_strength(strength: np.ndarray, padded: Shape, grid: Grid) -> np.ndarray:
    """Strengths of pixels (f, h, w) as those of tokens: the most over a token's frames, the least over its area."""
    margin = [(0, full - have) for full, have in zip(padded, strength.shape, strict=True)]
    strength = np.pad(strength, margin, mode="edge")
    frames = np.concatenate([strength[:1], reduce(strength[1:], "(f t) h w -> f h w", "max", t=grid.time)])
    return reduce(frames, "f (h p) (w q) -> f h w", "min", p=grid.space, q=grid.space)


def _check(condition: Condition, shape: Shape) -> None:
    clip, start = condition.clip, condition.start
    if clip.size != (shape.width, shape.height):
        raise InputError(
            f"a condition of {clip.size[0]}x{clip.size[1]} does not fit a canvas of {shape.width}x{shape.height}: "
            "fit it to the canvas first, with patchworld.video.fit"
        )
    if not 0 <= start <= start + clip.num_frames <= shape.frames:
        raise InputError(
            f"a condition on frames {start} to {start + clip.num_frames - 1} lies outside a canvas of {shape.frames} "
            "frames: move it or use a longer canvas"
        )
    if not 0 <= condition.strength <= 1:
        raise InputError(f"strength={condition.strength} is out of range: use 0 (ignored) to 1 (kept)")
    if condition.mask is not None and condition.mask.shape[-2:] != (shape.height, shape.width):
        raise InputError(
            f"a mask of shape {condition.mask.shape} does not fit a canvas of {shape.width}x{shape.height}: "
            "use (height, width) or (frames, height, width)"
        )
