"""The journey, from a canvas to a clip. Read this first.

    canvas --> given tokens and caps --> noise --> the denoiser, step by step --> latent --> pixels

A canvas is planned (plan.py), laid out (canvas.py) and dreamed (denoise.py) window by window, and its frames come out
one by one: neither a minute of video nor a world that is played needs more memory than a moment. What was dreamed goes
on as latents, since a round trip through pixels shifts colours; what was given whole is copied.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from patchworld.anchor import Anchor, put_back
from patchworld.canvas import Block, Canvas, each_voxel, lay_out, paint
from patchworld.denoise import Dreamer, OnStep, Sampling, World, predict
from patchworld.errors import InputError, RunError
from patchworld.patches import PatchGrid, unpatchify
from patchworld.plan import Stretch, Window, find_stretches, find_windows
from patchworld.shapes import Grid, Shape
from patchworld.vae import decode_latents
from patchworld.video import Clip

__all__ = ["OnStep", "Sampling", "World", "generate", "predict", "stream"]

BYTES_PER_PIXEL = 50  # of memory, for one pixel of a window while it is dreamed; measured with the preset small
DETAIL_FADES = 0.6  # measured: docs/log.md
FRAMES_TO_ANCHOR = 16


def generate(world: World, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None) -> Clip:
    """Dream what the canvas leaves open. The same world, canvas and sampling give the same clip."""
    _check_memory(canvas.shape, 3)
    return Clip(np.stack(list(stream(world, canvas, sampling, on_step))), canvas.fps)


@torch.no_grad()
def stream(
    world: World, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None
) -> Iterator[np.ndarray]:
    """The frames of the clip, uint8 (height, width, 3), each as soon as it is known.

    Where the actions of the canvas come from an iterator that ends, the video ends with them.
    """
    sampling = sampling or Sampling()
    grid = world.autoencoder.grid * world.patch
    plan = _plan(canvas, sampling, grid)
    dreamer = Dreamer(world, canvas, sampling, sum(len(windows) for _, windows in plan), on_step)
    done = 0
    for stretch, windows in plan:
        for number in range(done, stretch.first):
            yield paint(canvas, number, number + 1)[0][0]
        latents = _dream(dreamer, stretch, windows)
        skipped = stretch.first - stretch.start
        if canvas.circular and not canvas.conditions:
            latents, skipped = _turned(latents, world.autoencoder.reach, world.autoencoder.grid)
        done = stretch.first
        frames = decode_latents(world.autoencoder, latents, canvas.size)
        for frame in _anchored(canvas, stretch, frames, skipped):
            pixels, strength = paint(canvas, done, done + 1)
            yield np.where(strength[0, ..., None] == 1, pixels[0], frame)  # what is given is put back as it was
            done += 1
        if done < stretch.last:
            return
    for number in range(done, canvas.frames):
        yield paint(canvas, number, number + 1)[0][0]


def _anchored(canvas: Canvas, stretch: Stretch, frames: Iterator[np.ndarray], skipped: int) -> Iterator[np.ndarray]:
    """The dreamed ones of the decoded frames of a stretch, with what the given ones beside them have lost.

    It begins at the last given frame before them and stays as long as nothing changes. Towards the first one after
    them it turns to that one within FRAMES_TO_ANCHOR, which wait until it is decoded.
    """
    before = deque(islice(frames, skipped), maxlen=1)
    length = stretch.last - stretch.first
    begin = _anchor(canvas, stretch.first - 1, before)
    waiting = min(length, FRAMES_TO_ANCHOR) if stretch.stop > stretch.last else 0
    for frame in islice(frames, length - waiting):
        yield put_back(frame, begin.lost(frame)) if begin else frame
    last = list(islice(frames, waiting))
    end = _anchor(canvas, stretch.last, islice(frames, 1))
    for number, frame in enumerate(last, start=1):
        turned = number / (waiting + 1) if end else 0
        lost = [share * a.lost(frame) for a, share in ((begin, 1 - turned), (end, turned)) if a]
        yield put_back(frame, np.sum(lost, axis=0)) if lost else frame


def _anchor(canvas: Canvas, number: int, decoded: Iterable[np.ndarray]) -> Anchor | None:
    """The frame of this number, if it is given whole and decoded."""
    number = number % canvas.frames if canvas.circular else number
    for frame in decoded:
        if 0 <= number < canvas.frames and canvas.given()[number]:
            return Anchor(paint(canvas, number, number + 1)[0][0], frame)
    return None


def _plan(canvas: Canvas, sampling: Sampling, grid: Grid) -> list[tuple[Stretch, list[Window]]]:
    """The stretches of a canvas with their windows. Raises RunError where a window is larger than the memory."""
    step, width, height = grid.time, *canvas.size
    if canvas.circular and not canvas.conditions:
        turn = canvas.frames // step
        if canvas.frames % step or turn * step > sampling.window:
            most = sampling.window // step * step
            raise InputError(f"a circle of {canvas.frames} frames: use a multiple of {step} frames, up to {most}")
        # The first of a video is unlike the others: it is left out, and the circle holds the others alone.
        plan = [(Stretch(-1, canvas.frames, 0, canvas.frames), [Window(1, turn + 1, 1, turn + 1)])]
    else:
        most, history = max(1, sampling.window // step), max(1, sampling.history // step)
        stretches = find_stretches(canvas, step, history * step + 1)
        plan = [(stretch, find_windows(stretch, step, most, history)) for stretch in stretches]
    longest = max((window.stop - window.start for _, windows in plan for window in windows), default=0)
    _check_memory(Shape(min(canvas.frames, longest * step), height, width), BYTES_PER_PIXEL)
    return plan


def _dream(dreamer: Dreamer, stretch: Stretch, windows: list[Window]) -> Iterator[Tensor]:
    """The latent (c, f, h, w) of a stretch, piece by piece in order of time."""
    world, canvas = dreamer.world, dreamer.canvas
    coming = enumerate(
        lay_out(canvas, world.autoencoder, world.patch, world.latent_channels, stretch.start, stretch.stop)
    )
    blocks: dict[int, Block] = {}
    told, before = 0, None  # how many blocks have left, and the last one
    order = 1 if windows[0].first <= windows[-1].first else -1
    for number, window in enumerate(windows):
        while max(blocks, default=-1) < window.stop - 1:
            blocks.update([next(coming)])
        if not dreamer.ask_actions(min(canvas.frames, stretch.start + 1 + (window.last - 1) * dreamer.grid.time)):
            return
        seen = [blocks[place] for place in range(window.start, window.stop)]
        tokens = dreamer.window(seen, stretch, window).split([len(block.freedom) for block in seen])
        made = dict(zip(range(window.start, window.stop), tokens, strict=True))
        for place in range(window.first, window.last)[::order]:
            blocks[place] = _finished(blocks[place], made[place], blocks.get(place - order), world.patch)
        # Backwards, the first of the video comes last.
        last = number == len(windows) - 1
        known = range(told, max(blocks) + 1 if last else window.last if order > 0 else 0)
        for place in known:
            yield _latent(blocks[place], before, world.patch)
            before = blocks[place]
        if order > 0 and not last:
            told = window.last
            needed = min(told, windows[number + 1].start)
            blocks = {place: block for place, block in blocks.items() if place >= needed}


def _finished(block: Block, tokens: Tensor, near: Block | None, patch: PatchGrid) -> Block:
    """A block with its dreamed tokens. What stays as it is in the block near it, dreamed or given, keeps its detail.

    Detail is not dreamed. A still ground that lost it at the first dreamed frame would visibly soften there. Of each
    voxel it fades with the difference of the dreamed channels, root mean square, and is gone at DETAIL_FADES.
    """
    dreamed = Block(tokens, torch.zeros(len(tokens)), block.detail)
    if near is None:
        return dreamed
    here, there = (_dreamed_channels(each, each, patch)[:, -1:] for each in (dreamed, near))
    kept = (1 - (here - there).square().mean(0).sqrt() / DETAIL_FADES).clamp(min=0)
    carried = near.detail[:, -1:] * kept * ~each_voxel(block.freedom == 0, block.detail, patch)
    return Block(dreamed.tokens, dreamed.freedom, block.detail + carried)


def _dreamed_channels(before: Block, block: Block, patch: PatchGrid) -> Tensor:
    """The channels (c, f, h, w) of a block that tokens hold; `before` is the block before it in the video."""
    height, width = (side // patch.space for side in block.detail.shape[2:])
    return unpatchify(torch.cat([before.tokens, block.tokens]), Shape(2, height, width), patch)[:, 1:]


def _latent(block: Block, before: Block | None, patch: PatchGrid) -> Tensor:
    """The latent (c, f, h, w) of one block, all channels; `before` is the block before it in the video, if any."""
    channels = _dreamed_channels(before or block, block, patch)
    return torch.cat([channels[:, -block.detail.shape[1] :], block.detail])


def _turned(latents: Iterator[Tensor], reach: int, grid: Grid) -> tuple[Iterator[Tensor], int]:
    """The latents of a circle after enough of its end that the decoder has forgotten where it began; the frames of that
    beginning."""
    turn = torch.cat(list(latents)[1:], dim=1)
    length = turn.shape[1]
    lead = turn[:, torch.arange(-reach, 0) % length]
    return iter([lead, turn]), 1 + (reach - 1) * grid.time


def _check_memory(shape: Shape, bytes_per_pixel: int) -> None:
    """Refuse at once what this machine could not hold after hours."""
    needed = bytes_per_pixel * shape.volume
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed
    if needed > there:
        raise RunError(
            f"{shape.frames} frames of {shape.width}x{shape.height} need {needed / 1e9:.0f} GB of memory, there are "
            f"{there / 1e9:.0f}: ask for fewer frames or a smaller size"
        )
