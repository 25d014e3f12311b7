"""Training the autoencoder: start at the principal components, then learn what they miss."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from patchworld.data import Sample, training_clips
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
    start_from_components,
    to_pixels,
)
from patchworld.vae.autoencoder import SPACE, TIME, pad
from patchworld.video import contact_sheet, probe, psnr, read, ssim

CLIPS_PER_STEP = 8
MOST = Shape(17, 128, 128)  # a training crop; the network sees no farther, so larger pictures need no larger crops
HELD_OUT = 16  # clips, the last of the data set
CLIPS_FOR_STATISTICS = 400
LATENT_NOISE = 0.05  # added in training: what the transformer dreams is never exact either
EDGE = 0.05  # errors above it (of a range of 2) count linearly, below it as squares


class AutoencoderTask:
    """Rebuild crops of the data set. The module is the autoencoder."""

    def __init__(self, samples: list[Sample], config: AutoencoderConfig, seed: int, *, fresh: bool) -> None:
        """`fresh` fits the closed form first; otherwise weights are about to be loaded."""
        held_out = min(HELD_OUT, len(samples) // 10)
        self.samples = samples[: len(samples) - held_out]
        self.held_out = samples[len(samples) - held_out :] or samples[:1]
        self.seed = seed
        torch.manual_seed(seed)
        self.module = Autoencoder(config)
        self.flops: dict[torch.Size, float] = {}
        if fresh:
            statistics = BlockStatistics()
            for number in tqdm(range(min(CLIPS_FOR_STATISTICS, len(self.samples))), desc="principal components"):
                statistics.add(self._crop(0, number))
            start_from_components(self.module, statistics)

    def parts(self, step: int) -> list[tuple[int, int]]:
        return [(step, number) for number in range(CLIPS_PER_STEP)]

    def loss(self, part: tuple[int, int]) -> Loss:
        pixels = self._crop(*part)
        latent = self.module.encode(pixels)
        noise = torch.randn(latent.shape, generator=generator(self.seed, *part, 2))
        rebuilt = self.module.decode(latent + LATENT_NOISE * noise)
        loss = F.huber_loss(rebuilt, pixels, delta=EDGE) / EDGE
        return Loss(loss, latent[0, 0].numel(), self._flops(pixels))

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        pairs = []
        for sample in self.held_out:
            clip = next(iter(training_clips(sample)))
            latent = encode_clip(self.module, clip)
            pairs.append((clip, decode_clip(self.module, latent, Shape(*clip.frames.shape[:3]), clip.fps)))
        contact_sheet([clip for pair in pairs[:4] for clip in pair], folder / f"step-{step:08d}.png")
        return {
            "psnr": sum(psnr(a, b) for a, b in pairs) / len(pairs),
            "ssim": sum(ssim(a, b) for a, b in pairs) / len(pairs),
        }

    def export(self, folder: Path) -> None:
        self._normalise()
        save_autoencoder(self.module, folder)

    def _crop(self, step: int, number: int) -> Tensor:
        """A random window of a random sample, on the grid: (1, 3, f, h, w)."""
        draw = generator(self.seed, step, number, 1)
        path = self.samples[int(torch.randint(len(self.samples), (), generator=draw))].path
        info = probe(path)
        seconds = MOST.frames / info.fps
        start = max(0.0, info.duration - seconds) * float(torch.rand((), generator=draw))
        frames = read(path, start=start, end=start + seconds).frames
        for axis, (most, step) in enumerate(zip(MOST, (TIME, SPACE, SPACE), strict=True)):
            length = min(frames.shape[axis], most)
            length = 1 + (length - 1) // step * step if axis == 0 else max(length // step * step, 1)
            first = int(torch.randint(frames.shape[axis] - length + 1, (), generator=draw))
            frames = frames.take(range(first, first + length), axis)
        return pad(to_pixels(frames), self.module.grid)

    def _flops(self, pixels: Tensor) -> float:
        """Forward and backward work of one crop, counted once for each shape."""
        if pixels.shape not in self.flops:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                self.module.decode(self.module.encode(pixels))
            self.flops[pixels.shape] = 3.0 * counter.get_total_flops()
        return self.flops[pixels.shape]

    def _normalise(self) -> None:
        """Set the latents' mean and common scale from the data, so that they leave the autoencoder normalised."""
        module = self.module
        module.latent_mean.zero_()
        module.latent_scale.fill_(1.0)
        with torch.no_grad():
            latents = [
                module.encode(self._crop(0, number))[0].flatten(1) for number in range(min(256, 4 * len(self.samples)))
            ]
        values = torch.cat(latents, dim=1)
        module.latent_mean.copy_(values.mean(1))
        module.latent_scale.fill_(1 / values.var(1).mean().sqrt())
