"""The journey, from a canvas to a clip. Read this first.

    canvas --> given tokens and caps --> noise --> the denoiser, step by step --> latent --> pixels

Everything is done by four parts behind small protocols, so this file does not know which model it runs:
an autoencoder, a denoiser, a text encoder and a noise process.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from patchworld.canvas import Canvas, lay_out
from patchworld.diffusion import NoiseProcess, addressed_noise, check_seed, guided
from patchworld.errors import InputError, RunError, first_problem
from patchworld.patches import Pack, patchify, unpatchify
from patchworld.shapes import Grid, Shape
from patchworld.text import TextEncoder
from patchworld.vae import Autoencoder
from patchworld.video import Clip

LATENT_FRAMES_AT_ONCE = 8  # encoded or decoded together, so memory does not grow with the length of a video
BYTES_PER_PIXEL = 40  # of memory, for one pixel of a canvas while it is dreamed; measured with the preset small


class Denoiser(Protocol):
    """Predicts for every token of a pack what the noise process asks for: see `dit.DiffusionTransformer.forward`."""

    def __call__(
        self, pack: Pack, level: Tensor, text: Tensor, text_lengths: tuple[int, ...], actions: Tensor | None = None
    ) -> Tensor: ...


class World(Protocol):
    """A model that can dream: four parts, and the grid by which latents are cut into patches."""

    @property
    def autoencoder(self) -> Autoencoder: ...

    @property
    def denoiser(self) -> Denoiser: ...

    @property
    def text_encoder(self) -> TextEncoder: ...

    @property
    def process(self) -> NoiseProcess: ...

    @property
    def patch(self) -> Grid: ...


@dataclass(frozen=True)
class Sampling:
    """How a canvas is dreamed. Guidance pulls towards the prompt, 1 is none; `solver` None is the process's default."""

    seed: int = 0
    steps: int = 16
    guidance: float = 3.0
    solver: str | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not (isinstance(self.steps, int) and 1 <= self.steps <= 1000):
            raise InputError(f"steps={self.steps} is out of range: use a whole number from 1 to 1000")
        if not 0 <= self.guidance <= 100:
            raise InputError(f"guidance={self.guidance} is out of range: use 0 to 100, where 1 is none")


OnStep = Callable[[int, int, Tensor], None]
"""Called after each solver step with its number, the number of steps, and the clean latent (c, f, h, w) as it looks by
now.
"""


@torch.no_grad()
def generate(world: World, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None) -> Clip:
    """Dream what the canvas leaves open. The same world, canvas and sampling give the same clip."""
    sampling = sampling or Sampling()
    _check_memory(canvas.shape)
    with torch.autocast("cpu", torch.bfloat16):
        layout = lay_out(canvas, world.autoencoder, world.patch)
        latent_shape = (world.autoencoder.latent_channels, *layout.latent)

    def noise(stream: int) -> Tensor:
        return patchify(addressed_noise(sampling.seed, latent_shape, stream=stream), world.patch)

    def to_latent(tokens: Tensor) -> Tensor:
        return unpatchify(tokens, layout.pack.shapes[0], world.patch)

    def report(done: int, steps: int, tokens: Tensor) -> None:
        if on_step is not None:
            on_step(done, steps, to_latent(tokens))

    process = world.process
    predict = guided(
        conditional=_reader(world, layout.pack, canvas.prompt),
        unconditional=_reader(world, layout.pack, canvas.negative),
        scale=sampling.guidance,
        guide=process.guide,
    )
    tokens = process.sample(
        predict,
        process.corrupt(layout.pack.tokens, noise(0), layout.cap),
        layout.cap,
        num_steps=sampling.steps,
        solver=sampling.solver,
        fresh_noise=noise,
        on_step=report,
    )
    if not tokens.isfinite().all():
        raise RunError(f"the model made numbers that are not finite: lower guidance={sampling.guidance} or retrain it")
    return decode(world.autoencoder, to_latent(tokens), canvas.shape, canvas.fps)


def encode(autoencoder: Autoencoder, clip: Clip) -> Tensor:
    """A clip as its latent (c, f, h, w), encoded some frames at a time."""
    shape = Shape(*clip.frames.shape[:3])
    full = shape.padded(autoencoder.grid)
    margin = [(0, after - before) for after, before in zip(full, shape, strict=True)]
    frames = torch.from_numpy(np.pad(clip.frames, [*margin, (0, 0)], mode="edge"))
    stride = LATENT_FRAMES_AT_ONCE * autoencoder.grid.time
    pieces = frames.tensor_split(tuple(range(1 + stride, full.frames, stride)))
    pixels = (piece.permute(3, 0, 1, 2)[None].float() / 127.5 - 1 for piece in pieces)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        return torch.cat([latent[0] for latent in autoencoder.encode_stream(pixels)], dim=1)


def decode(autoencoder: Autoencoder, latent: Tensor, shape: Shape, fps: float) -> Clip:
    """A latent (c, f, h, w) as a clip of `shape`, decoded some frames at a time."""
    pieces = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for pixels in autoencoder.decode_stream(latent[None].split(LATENT_FRAMES_AT_ONCE, dim=2)):
            frames = (pixels[0, :, :, : shape.height, : shape.width].clamp(-1, 1) + 1) * 127.5
            pieces.append(frames.round().to(torch.uint8).permute(1, 2, 3, 0).numpy())
    return Clip(np.ascontiguousarray(np.concatenate(pieces)[: shape.frames]), fps)


def recipe(canvas: Canvas, sampling: Sampling) -> dict[str, Any]:
    """What makes the same clip again, as JSON, for a canvas without conditions."""
    wanted = {name: value for name, value in vars(canvas).items() if name != "conditions"}
    return {**wanted, "size": list(canvas.size), **vars(sampling)}


class _Recipe(BaseModel):
    """A recipe as it comes back from a file, which anyone may have written."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = ""
    prompt: str
    frames: int
    size: list[int] = Field(min_length=2, max_length=2)
    fps: float
    negative: str
    seed: int
    steps: int
    guidance: float
    solver: str | None


def from_recipe(made: dict[str, Any]) -> tuple[Canvas, Sampling]:
    """The inverse of `recipe`. Raises InputError when it is not one."""
    try:
        r = _Recipe.model_validate(made)
        canvas = Canvas(r.prompt, r.frames, (r.size[0], r.size[1]), r.fps, r.negative)
        return canvas, Sampling(r.seed, r.steps, r.guidance, r.solver)
    except (ValidationError, InputError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else error
        raise InputError(f"the recipe in this file cannot be used: {problem}; generate the clip anew") from error


def _check_memory(shape: Shape) -> None:
    """Refuse at once what this machine could not hold after hours."""
    needed = BYTES_PER_PIXEL * shape.volume
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed
    if needed > there:
        raise RunError(
            f"{shape.frames} frames of {shape.width}x{shape.height} need {needed / 1e9:.0f} GB of memory, there are "
            f"{there / 1e9:.0f}: ask for fewer frames or a smaller size"
        )


def _reader(world: World, pack: Pack, prompt: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The denoiser reading one prompt: (noisy (n, p), level (n,)) to its prediction."""
    with torch.autocast("cpu", torch.bfloat16):
        text = world.text_encoder([prompt])

    def predict(noisy: Tensor, level: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return world.denoiser(replace(pack, tokens=noisy), level, text.features, text.lengths)

    return predict
