"""The journey, from a canvas to a clip. Read this first.

    canvas --> given tokens and caps --> noise --> the denoiser, step by step --> latent --> pixels

Everything is done by four parts behind small protocols, so this file does not know which model it runs:
an autoencoder, a denoiser, a text encoder and a noise process.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from patchworld.canvas import Canvas, lay_out
from patchworld.diffusion import NoiseProcess, addressed_noise, check_seed, guided
from patchworld.errors import InputError, RunError
from patchworld.patches import Pack, PatchGrid, patchify, unpatchify
from patchworld.shapes import Shape
from patchworld.text import TextEncoder, TextTokens
from patchworld.vae import Autoencoder, decode_clip
from patchworld.video import Clip

BYTES_PER_PIXEL = 40  # of memory, for one pixel of a canvas while it is dreamed; measured with the preset small


class Denoiser(Protocol):
    """Predicts for every token of a pack what the noise process asks for: see `dit.DiffusionTransformer.forward`."""

    def __call__(
        self, pack: Pack, level: Tensor, text: Tensor, text_lengths: tuple[int, ...], actions: Tensor | None = None
    ) -> Tensor: ...

    @property
    def token_variance(self) -> Tensor | None: ...


class Predictor(Protocol):
    """A denoiser and the noise process it was trained with."""

    @property
    def denoiser(self) -> Denoiser: ...

    @property
    def process(self) -> NoiseProcess: ...


class World(Predictor, Protocol):
    """A model that can dream: four parts, how many latent channels it dreams and how it cuts them."""

    @property
    def autoencoder(self) -> Autoencoder: ...

    @property
    def text_encoder(self) -> TextEncoder: ...

    @property
    def latent_channels(self) -> int: ...

    @property
    def patch(self) -> PatchGrid: ...


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
"""Called after each solver step with its number, the number of steps, and the latent (c, f, h, w) so far."""


@torch.no_grad()
def generate(world: World, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None) -> Clip:
    """Dream what the canvas leaves open. The same world, canvas and sampling give the same clip."""
    sampling = sampling or Sampling()
    _check_memory(canvas.shape)
    layout = lay_out(canvas, world.autoencoder, world.patch, world.latent_channels)
    latent_shape = (world.latent_channels, *layout.latent)

    def noise(stream: int) -> Tensor:
        return patchify(addressed_noise(sampling.seed, latent_shape, stream=stream), world.patch)

    def to_latent(tokens: Tensor) -> Tensor:
        return unpatchify(tokens, layout.pack.shapes[0], world.patch)

    def report(done: int, steps: int, tokens: Tensor) -> None:
        if on_step is not None:
            on_step(done, steps, to_latent(tokens))

    process = world.process
    guided_predict = guided(
        conditional=_reader(world, layout.pack, canvas.prompt),
        unconditional=_reader(world, layout.pack, canvas.negative),
        scale=sampling.guidance,
        guide=process.guide,
    )
    tokens = process.sample(
        guided_predict,
        process.corrupt(layout.pack.tokens, noise(0), layout.cap),
        layout.cap,
        num_steps=sampling.steps,
        solver=sampling.solver,
        fresh_noise=noise,
        on_step=report,
    )
    if not tokens.isfinite().all():
        raise RunError(f"the model made numbers that are not finite: lower guidance={sampling.guidance} or retrain it")
    latent = torch.cat([to_latent(tokens)[:, : layout.latent.frames], layout.detail])
    return decode_clip(world.autoencoder, latent, canvas.shape, canvas.fps)


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

    device = text.features.device  # the solver and what it mixes stay on the CPU
    here = pack.to(device)

    def read(noisy: Tensor, level: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return predict(world, here.with_tokens(noisy.to(device)), level.to(device), text).to(noisy.device)

    return read


def predict(predictor: Predictor, pack: Pack, level: Tensor, text: TextTokens, actions: Tensor | None = None) -> Tensor:
    """What the noise process asks for, for every token of a pack: see `dit.DiffusionTransformer.forward`."""
    output = predictor.denoiser(pack, level, text.features, text.lengths, actions)
    variance = predictor.denoiser.token_variance
    return output if variance is None else predictor.process.from_guess(output, pack.tokens, level, variance)
