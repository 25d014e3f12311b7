"""The one idea: some spacetime is given, the rest is dreamed.

A canvas has a size, prompts, and conditions: pieces of video placed on it. Laid out, it is tokens with a *freedom*
each, the last part of the sampler's steps that dreams it: 1 where all steps do, 0 where it is given, 1 - strength where
it is given softly. Every capability is a choice of conditions.

The first latent frame holds one pixel frame and the others four, so what is placed elsewhere than at the start cannot
be encoded on its own and pasted. The canvas is composed in pixels and encoded in its place, block by block, so that
its length costs no memory. A block is the pixel frames of one token frame.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from einops import reduce
from torch import Tensor

from patchworld.errors import InputError
from patchworld.patches import PatchGrid, patchify
from patchworld.shapes import Grid, Shape, check_fps, pixel_shape
from patchworld.vae import Autoencoder, encode_frames
from patchworld.video import Clip

GREY = 128


@dataclass(frozen=True, eq=False)
class Condition:
    """A clip or image placed on the canvas.

    clip        in the size of the canvas
    start       the frame of the canvas its first frame falls on
    strength    1 keeps it, 0 ignores it; between, the last 1 - strength of the steps dream it anew. One number, or one
                for each frame of the clip
    mask        (height, width) or (frames, height, width) bool, true where it is given; everywhere if None
    """

    clip: Clip
    start: int = 0
    strength: float | np.ndarray = 1.0
    mask: np.ndarray | None = None

    @property
    def stop(self) -> int:
        return self.start + self.clip.num_frames


@dataclass(frozen=True, eq=False)
class Canvas:
    """What is to be made: `frames` of `size` (width, height) at `fps`, of `prompt` and away from `negative`.

    conditions  what is given; later ones lie over earlier ones
    changes     (frame, prompt) in order of time: from that frame on the prompt is another
    cuts        frames that begin a new shot: nothing before them is remembered
    actions     what is done in each frame, by name, for models that know actions; none where there is no more. Any
                iterable: a name is asked for as late as possible, so that it may be typed while the world is dreamed
    circular    time is a circle: after the last frame comes the first
    call        the verb that made the canvas and its arguments, for the recipe
    """

    prompt: str
    frames: int = 17
    size: tuple[int, int] = (64, 64)
    fps: float = 8.0
    negative: str = ""
    conditions: tuple[Condition, ...] = ()
    changes: tuple[tuple[int, str], ...] = ()
    cuts: tuple[int, ...] = ()
    actions: Iterable[str] = ()
    circular: bool = False
    call: tuple[str, dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        shape = pixel_shape(self.frames, self.size)
        check_fps(self.fps)
        for condition in self.conditions:
            _check(condition, shape)
        for name, places in (("changes", [frame for frame, _ in self.changes]), ("cuts", list(self.cuts))):
            if places != sorted(set(places)) or any(not 0 < place < self.frames for place in places):
                raise InputError(f"{name} at frames {places}: use growing numbers from 1 to {self.frames - 1}")
        if self.circular and (self.changes or self.cuts or self.actions):
            raise InputError("a canvas whose time is a circle has one prompt, no cuts and no actions: leave them out")
        if self.circular and self.conditions and not self.given()[0]:
            raise InputError("a canvas whose time is a circle begins with what is given: place a condition at frame 0")

    @property
    def shape(self) -> Shape:
        return pixel_shape(self.frames, self.size)

    @property
    def prompts(self) -> tuple[tuple[int, str], ...]:
        """(first frame, prompt) of each part of the canvas."""
        return ((0, self.prompt), *self.changes)

    def given(self) -> np.ndarray:
        """(frames,) bool: which frames are given whole and kept."""
        given = np.zeros(self.frames, bool)
        for condition in self.conditions:
            kept = np.broadcast_to(condition.strength, (condition.clip.num_frames,))
            some, whole = kept > 0, kept == 1
            if condition.mask is not None:
                mask = np.broadcast_to(condition.mask, condition.clip.frames.shape[:3])
                some, whole = some & mask.any((1, 2)), whole & mask.all((1, 2))
            span = given[condition.start : condition.stop]
            span[some & (kept < 1)] = False
            span[whole] = True
        return given

    def joins(self) -> list[int]:
        """The frames at which what is given ends or begins, or time closes its circle (frame 0)."""
        given = self.given()
        return [0] * self.circular + [int(frame) for frame in np.flatnonzero(given[1:] != given[:-1]) + 1]


@dataclass(frozen=True)
class Block:
    """One token frame of a canvas as the denoiser is given it.

    tokens      (n, p) what is given, zero where nothing is
    freedom     (n,) the last part of the steps that dreams each token
    detail      (c, f, h, w) the channels that are not dreamed, kept where all is given and zero, their mean, elsewhere
    """

    tokens: Tensor
    freedom: Tensor
    detail: Tensor


def lay_out(
    canvas: Canvas, autoencoder: Autoencoder, patch: PatchGrid, channels: int, start: int = 0, stop: int | None = None
) -> Iterator[Block]:
    """The frames from `start` (it may be negative) to `stop` as blocks. The first `channels` are dreamed.

    A token is given where all of its pixels are, at the weakest of their strengths. Of the pixel frames of one latent
    frame, one that is given is enough: it is held for the others. Of the latent frames of one token all are needed.
    """
    stop = canvas.frames if stop is None else stop
    grid = autoencoder.grid * patch
    strengths: deque[np.ndarray] = deque()

    def composed() -> Iterator[np.ndarray]:
        for pixels, strength in compose(canvas, start, stop, grid.time):
            strengths.append(strength)
            yield from pixels

    if not _touched(canvas, start, stop):
        shape = Shape(stop - start, canvas.size[1], canvas.size[0]).padded(grid).divided(autoencoder.grid)
        nothing = np.zeros((1, canvas.size[1], canvas.size[0]), np.float32)
        for number in range(1 + (shape.frames - 1) // patch.time):
            frames = patch.time if number else 1
            latent = torch.zeros(autoencoder.latent_channels, frames, shape.height, shape.width)
            yield _block(latent, nothing, autoencoder.grid, patch, channels, begins=number == 0)
        return
    begins = True
    for piece in encode_frames(autoencoder, composed(), grid):
        blocks = (piece.shape[1] - begins) // patch.time
        for latent in piece.split([1] * begins + [patch.time] * blocks, dim=1):
            yield _block(latent, strengths.popleft(), autoencoder.grid, patch, channels, begins=begins)
            begins = False


def _block(latent: Tensor, strength: np.ndarray, grid: Grid, patch: PatchGrid, channels: int, *, begins: bool) -> Block:
    weakest = torch.from_numpy(token_strength(strength, latent.shape[1:], grid))
    freedom = 1 - reduce(weakest, "f (h p) (w q) -> (h w)", "min", p=patch.space, q=patch.space)
    whole = each_voxel(freedom == 0, latent, patch)
    return Block(patchify(latent[:channels], patch, begins=begins), freedom, latent[channels:] * whole)


def each_voxel(values: Tensor, latent: Tensor, patch: PatchGrid) -> Tensor:
    """Values of the tokens of a block, (n,), for the voxels (h, w) of its latent (c, f, h, w)."""
    rows = values.view(latent.shape[2] // patch.space, latent.shape[3] // patch.space)
    return rows.repeat_interleave(patch.space, 0).repeat_interleave(patch.space, 1)


def compose(canvas: Canvas, start: int, stop: int, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The conditions from frame `start` to `stop`, block by block: the first of one frame, the others of `step`.

    Each block is its pixels (f, h, w, 3) and their strengths (f, h, w). A pixel that is not given takes the last given
    value before it in its block, or the first after it in its block, or what it was before, or what comes first, or
    grey.
    """
    edges = [start, *range(start + 1, stop, step), stop]
    spans = [(a, b) for a, b in pairwise(edges) if a < b]
    touched = (span for span in spans if _touched(canvas, *span))
    held = np.full((canvas.size[1], canvas.size[0], 3), GREY, np.uint8)
    if first := next(touched, None):
        held = _filled(*paint(canvas, *first), held)[0]
    for span in spans:
        pixels, strength = paint(canvas, *span)
        pixels = _filled(pixels, strength, held)
        held = pixels[-1]
        yield pixels, strength


def paint(canvas: Canvas, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """What is given in the frames from `start` to `stop`: pixels (f, h, w, 3) and strengths (f, h, w), 0 elsewhere.

    On a circle, frames after the last are the first ones again.
    """
    if canvas.circular and stop > canvas.frames:
        turn = canvas.frames
        parts = [paint(canvas, start, turn)] if start < turn else []
        parts.append(paint(canvas, max(start, turn) - turn, stop - turn))
        pixels, strength = (np.concatenate(part) for part in zip(*parts, strict=True))
        return pixels, strength
    width, height = canvas.size
    pixels = np.zeros((stop - start, height, width, 3), np.uint8)
    strength = np.zeros((stop - start, height, width), np.float32)
    for condition in canvas.conditions:
        first, last = max(start, condition.start), min(stop, condition.stop)
        if first >= last:
            continue
        there, here = slice(first - start, last - start), slice(first - condition.start, last - condition.start)
        kept = np.broadcast_to(condition.strength, (condition.clip.num_frames,))[here, None, None]
        mask = np.broadcast_to(kept > 0, strength[there].shape)
        if condition.mask is not None:
            mask = mask & np.broadcast_to(condition.mask, condition.clip.frames.shape[:3])[here]
        strength[there] = np.where(mask, kept, strength[there])
        pixels[there] = np.where(mask[..., None], condition.clip.frames[here], pixels[there])
    return pixels, strength


def _touched(canvas: Canvas, start: int, stop: int) -> bool:
    """Whether anything is placed on the frames from `start` to `stop`."""
    stop += canvas.frames if canvas.circular and stop > canvas.frames else 0
    return any(condition.start < stop and condition.stop > start for condition in canvas.conditions)


def _filled(pixels: np.ndarray, strength: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Pixels (f, h, w, 3) of a block with a value everywhere: see `compose`."""
    frames = len(pixels)
    number = np.arange(frames)[:, None, None]
    before = np.maximum.accumulate(np.where(strength > 0, number, -1), axis=0)
    after = np.minimum.accumulate(np.where(strength > 0, number, frames)[::-1], axis=0)[::-1]
    source = np.where(before >= 0, before, after)
    filled = np.take_along_axis(pixels, np.minimum(source, frames - 1)[..., None], axis=0)
    return np.where((source < frames)[..., None], filled, held)


def token_strength(strength: np.ndarray, shape: Iterable[int], grid: Grid) -> np.ndarray:
    """Strengths of the pixels of a block, (f, h, w), as those of a latent of `shape`: the most over its frames, the
    least over its area. The last frame, row and column are continued."""
    frames, height, width = shape
    full = (frames * grid.time if len(strength) > 1 else 1, height * grid.space, width * grid.space)
    margin = [(0, whole - have) for whole, have in zip(full, strength.shape, strict=True)]
    strength = np.pad(strength, margin, mode="edge")
    if len(strength) < frames * grid.time:  # one frame stands for all
        strength = strength.repeat(frames * grid.time, 0)
    most = reduce(strength, "(f t) h w -> f h w", "max", t=grid.time)
    return reduce(most, "f (h p) (w q) -> f h w", "min", p=grid.space, q=grid.space)


def action_row(names: Sequence[str], known: Sequence[str], frames: int, *, first: bool = False) -> Tensor:
    """Whether each of the `known` actions is done in each of the `frames` of a block, (actions * frames,).

    `names` are those of its frames, "" and missing ones say nothing. The `first` frame of a video stands for a whole
    block, and so does what is done in it. Raises InputError for unknown actions.
    """
    row = torch.zeros(len(known), frames)
    for frame, name in enumerate(names):
        if not name:
            continue
        if name not in known:
            remedy = f"this model knows {', '.join(known)}" if known else "this model was trained without actions"
            raise InputError(f"unknown action '{name}': {remedy}")
        row[list(known).index(name), slice(None) if first else frame] = 1
    return row.flatten()


def _check(condition: Condition, shape: Shape) -> None:
    clip = condition.clip
    if clip.size != (shape.width, shape.height):
        raise InputError(
            f"a condition of {clip.size[0]}x{clip.size[1]} does not fit a canvas of {shape.width}x{shape.height}: "
            "fit it to the canvas first, with patchworld.video.fit"
        )
    if not 0 <= condition.start <= condition.stop <= shape.frames:
        raise InputError(
            f"a condition on frames {condition.start} to {condition.stop - 1} lies outside a canvas of {shape.frames} "
            "frames: move it or use a longer canvas"
        )
    strength = np.asarray(condition.strength)
    if strength.shape not in ((), (clip.num_frames,)):
        raise InputError(f"{strength.shape} strengths for {clip.num_frames} frames: give one, or one for each frame")
    if not ((strength >= 0) & (strength <= 1)).all():
        raise InputError(f"strength={condition.strength} is out of range: use 0 (ignored) to 1 (kept)")
    if condition.mask is not None and condition.mask.shape not in (clip.frames.shape[1:3], clip.frames.shape[:3]):
        raise InputError(
            f"a mask of shape {condition.mask.shape} does not fit a condition of {clip.num_frames} frames of "
            f"{shape.width}x{shape.height}: use (height, width) or (frames, height, width)"
        )
