"""Training the autoencoder: its matrices have a closed form, the residual of the decoder learns what they miss."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from patchworld.data import Sample, Unreadable, training_clips
from patchworld.errors import MediaError
from patchworld.model import save_autoencoder
from patchworld.shapes import Shape
from patchworld.train.loop import Loss
from patchworld.train.order import generator
from patchworld.vae import (
    Autoencoder,
    AutoencoderConfig,
    BlockStatistics,
    decode_clip,
    encode_clip,
    fit_linear_decoder,
    start_from_components,
    to_pixels,
)
from patchworld.vae.autoencoder import SPACE, TIME, pad
from patchworld.vae.similarity import structural_similarity
from patchworld.video import contact_sheet, probe, psnr, read, ssim

CROPS_PER_STEP = 8
MOST = Shape(17, 64, 64)  # a training crop: many small ones teach more than few large ones, and the reach is shorter
HELD_OUT = 16  # clips, the last of each data set
CROPS_FOR_STATISTICS = 600
ALL_CHANNELS = 0.5  # part of the crops that are rebuilt from all channels of the latent
LATENT_NOISE = 0.05  # added in training: what the transformer dreams is never exact either
SIMILARITY = 0.5  # weight of the structural similarity beside the squared error
FINEST_LACK = 1e-3  # of similarity, likewise
FINEST_ERROR = 1e-5  # mean square (of a range of 2, so 56 dB) below which a crop is good enough to teach nothing more


class AutoencoderTask:
    """Rebuild crops of one or several data sets. The module is the autoencoder."""

    def __init__(
        self,
        datasets: dict[str, list[Sample]],
        start: AutoencoderConfig | Autoencoder,
        seed: int,
        *,
        fresh: bool = True,
        crops_per_step: int = CROPS_PER_STEP,
    ) -> None:
        """Every sample of the named `datasets` is drawn equally often. `start` is an autoencoder, whose latents stay as
        they are for the transformers that know them, or the sizes of a new one, whose latents are the principal
        components of the data. The linear half of the decoder is set to its closed form, and its residual learns.
        Unless `fresh` nothing is set: the weights are about to be loaded.
        """
        self.samples: list[Sample] = []
        self.held_out: dict[str, list[Sample]] = {}
        for name, samples in datasets.items():
            kept = len(samples) - min(HELD_OUT, len(samples) // 10)
            self.samples += samples[:kept]
            self.held_out[name] = samples[kept:] or samples[:1]
        self.unreadable = Unreadable(sum(len(samples) for samples in datasets.values()))
        self.seed, self.crops_per_step = seed, crops_per_step
        torch.manual_seed(seed)
        self.module = start if isinstance(start, Autoencoder) else Autoencoder(start)
        self.module.requires_grad_(False)  # steps of Adam do the closed forms no good (docs/log.md)
        self.module.decoder.requires_grad_(True)
        self.flops: dict[torch.Size, float] = {}
        if fresh:
            if self.module is not start:
                statistics = BlockStatistics()
                for pixels in self._first_crops("principal components"):
                    statistics.add(pixels)
                start_from_components(self.module, statistics)
            crops = self._first_crops("linear decoder")
            fit_linear_decoder(self.module, crops, noise=LATENT_NOISE, floor=FINEST_ERROR)

    def parts(self, step: int) -> list[tuple[int, int]]:
        return [(step, number) for number in range(self.crops_per_step)]

    def loss(self, part: tuple[int, int]) -> Loss:
        """Logarithms of what is measured: the squared error (0.23 for each decibel of PSNR) and the lack of structural
        similarity. So every crop has the same weight, however hard; otherwise a step belongs to noise and foliage.
        """
        started = time.perf_counter()
        pixels = self._crop(*part)
        waited = time.perf_counter() - started
        latent = self.module.encode(pixels)
        rebuilt = self.module.decode(self.seen(part, latent))
        error = torch.log(F.mse_loss(rebuilt, pixels) + FINEST_ERROR)
        loss = error + SIMILARITY * torch.log(1 - structural_similarity(rebuilt, pixels) + FINEST_LACK)
        return Loss(loss, latent[0, 0].numel(), self._flops(pixels), waited)

    def seen(self, part: tuple[int, int], latent: Tensor) -> Tensor:
        """What the decoder is given of the latent (1, c, f, h, w) of a crop."""
        latent[:, self._kept(*part) :] = 0
        noise = torch.randn(latent.shape, generator=generator(self.seed, *part, 2)).to(latent.device)
        return latent + LATENT_NOISE * noise

    def names(self, part: tuple[int, int]) -> list[str]:
        return [str(self._read_crop(*part)[0].path)]

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """PSNR and SSIM of the held-out clips of each data set."""
        figures, shown = {}, []
        for name, samples in self.held_out.items():
            pairs = []
            for sample in samples:
                try:
                    clip = next(iter(training_clips(sample)))
                except MediaError as error:
                    self.unreadable.leave_out(sample.path, error)
                    continue
                latent = encode_clip(self.module, clip)
                pairs.append((clip, decode_clip(self.module, latent, Shape(*clip.frames.shape[:3]), clip.fps)))
            shown += [clip for pair in pairs[:4] for clip in pair]
            if pairs:
                figures[f"psnr {name}"] = sum(psnr(a, b) for a, b in pairs) / len(pairs)
                figures[f"ssim {name}"] = sum(ssim(a, b) for a, b in pairs) / len(pairs)
        if shown:
            contact_sheet(shown, folder / f"step-{step:08d}.png")
        return figures

    def export(self, folder: Path) -> None:
        save_autoencoder(self.module, folder)

    def _first_crops(self, told: str) -> Iterator[Tensor]:
        """What the closed forms are fitted to."""
        for number in tqdm(range(min(CROPS_FOR_STATISTICS, 4 * len(self.samples))), desc=told):
            yield self._crop(0, number)

    def _crop(self, step: int, number: int) -> Tensor:
        """A random window of a random sample, on the grid: (1, 3, f, h, w)."""
        _, frames, draw = self._read_crop(step, number)
        for axis, (most, unit) in enumerate(zip(MOST, (TIME, SPACE, SPACE), strict=True)):
            length = min(frames.shape[axis], most)
            length = 1 + (length - 1) // unit * unit if axis == 0 else max(length // unit * unit, 1)
            first = int(torch.randint(frames.shape[axis] - length + 1, (), generator=draw))
            frames = frames.take(range(first, first + length), axis)
        return pad(to_pixels(frames, self.module.to_latent.weight.device), self.module.grid)

    def _read_crop(self, step: int, number: int, again: int = 0) -> tuple[Sample, np.ndarray, torch.Generator]:
        """A random sample, its frames around a random time, and the generator for what is still to be drawn.

        Where a video cannot be read another one is drawn, always the same one: it is tried each time it is drawn, since
        what was found before a run was stopped must not change what it learns from afterwards.
        """
        draw = generator(self.seed, step, number, 1, *(0,) * again)
        sample = self.samples[int(torch.randint(len(self.samples), (), generator=draw))]
        try:
            info = probe(sample.path)
            seconds = MOST.frames / info.fps
            start = max(0.0, info.duration - seconds) * float(torch.rand((), generator=draw))
            return sample, read(sample.path, start=start, end=start + seconds).frames, draw
        except MediaError as error:
            self.unreadable.leave_out(sample.path, error)
            return self._read_crop(step, number, again + 1)

    def _kept(self, step: int, number: int) -> int:
        """How many leading channels the decoder gets to see: all of them, or fewer, so that channels stay in the order
        of what they are worth (nested dropout, Rippel et al. 2014) and a transformer may model the first ones alone.
        """
        draw = generator(self.seed, step, number, 3)
        if float(torch.rand((), generator=draw)) < ALL_CHANNELS:
            return self.module.latent_channels
        return math.ceil(self.module.latent_channels ** float(torch.rand((), generator=draw)))

    def _flops(self, pixels: Tensor) -> float:
        """Forward and backward work of one crop, counted once for each shape."""
        if pixels.shape not in self.flops:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                self.module.decode(self.module.encode(pixels))
            self.flops[pixels.shape] = 3.0 * counter.get_total_flops()
        return self.flops[pixels.shape]
