"""Training the decoder on dreams: what a transformer dreams is never quite a latent that pixels would give."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from patchworld.data import Sample
from patchworld.denoise import GUIDED
from patchworld.diffusion import addressed_noise, guided
from patchworld.generate import Sampling, predict
from patchworld.model import Model, save
from patchworld.patches import Pack, patchify, positions, unpatchify
from patchworld.shapes import Shape
from patchworld.train.autoencoder import AutoencoderTask
from patchworld.train.order import generator
from patchworld.video import probe

DREAMED = 0.6  # part of the crops that are dreamed before they are rebuilt
LEAST, MOST = 0.35, 0.95  # noise levels that dreams begin at: enough is left to tell where things were


class MendingTask(AutoencoderTask):
    """Rebuild what a model dreamed, and what is true. The module is the model's autoencoder; its decoder learns."""

    def __init__(self, datasets: dict[str, list[Sample]], model: Model, seed: int, **settings: int | bool) -> None:
        """`settings` are those of AutoencoderTask."""
        super().__init__(datasets, model.autoencoder, seed, **settings)  # type: ignore[arg-type]
        self.model = model

    def seen(self, part: tuple[int, int], latent: Tensor) -> Tensor:
        draw = generator(self.seed, *part, 4)
        if float(torch.rand((), generator=draw)) >= DREAMED:
            return super().seen(part, latent)
        sample = self._read_crop(*part)[0]
        caption = sample.captions[int(torch.randint(len(sample.captions), (), generator=draw))]
        # The autoencoder alone goes to the device of the run: what dreams stays on the CPU.
        clean = latent[0].cpu()
        level = LEAST + (MOST - LEAST) * float(torch.rand((), generator=draw))
        dreamed = dream_again(self.model, clean, probe(sample.path).fps, caption, level, draw)
        if self._strange(dreamed, clean, level):
            return super().seen(part, latent)
        return dreamed[None].to(latent.device)

    def _strange(self, dreamed: Tensor, latent: Tensor, level: float) -> bool:
        """Whether the model knows nothing of what it dreamed: a linear guess would have been nearer. Such crops, of
        photographs for a model of the playroom, stay true."""
        if (variance := self.model.denoiser.token_variance) is None:
            return False
        guessed = variance * level**2 / ((1 - level) ** 2 * variance + level**2)
        return float(F.mse_loss(dreamed, latent[: len(dreamed)])) > float(guessed.mean())

    def export(self, folder: Path) -> None:
        save(replace(self.model, autoencoder=self.module), folder, {})


def dream_again(model: Model, latent: Tensor, fps: float, caption: str, level: float, draw: torch.Generator) -> Tensor:
    """A latent (c, f, h, w) hidden by noise of this level, and dreamed from there on: its first channels.

    So it has the faults of a dream, and the pixels that it should have are known (as Meng et al. 2021, "SDEdit",
    2108.01073, section 3, changes a picture).
    """
    clean = patchify(latent[: model.latent_channels], model.patch)
    shape = Shape(*latent.shape[1:]).divided(model.patch)
    seed = int(torch.randint(2**31, (), generator=draw))
    place = positions(shape, (model.autoencoder.grid * model.patch).time / fps)
    cap = torch.full((len(clean),), level)

    def noise(stream: int) -> Tensor:
        return patchify(addressed_noise(seed, (model.latent_channels, *latent.shape[1:]), stream=stream), model.patch)

    def reader(prompt: str) -> Callable[[Tensor, Tensor], Tensor]:
        text = model.text_encoder([prompt])
        return lambda noisy, level: predict(model, Pack(noisy, place, (shape,)), level, text)

    words, none = reader(caption), reader("")
    interval = (GUIDED * level, 1.0)  # as in use
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        tokens = model.process.sample(
            guided(words, lambda *at: (words(*at), none(*at)), Sampling.guidance, model.process.guide, interval),
            model.process.corrupt(clean, noise(0), cap),
            cap,
            num_steps=Sampling.steps,
            fresh_noise=noise,
        )
    return unpatchify(tokens, shape, model.patch)
