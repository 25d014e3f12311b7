"""What is each channel of the latent worth? Reconstruction from the leading channels alone.

    python benchmarks/channels.py DATA [DATA ...] [--model DIR] [--clips N]

The last clips of each data set, which training holds out, are encoded once and decoded from their first 4, 8, 16, ...
channels; the rest stay at their mean. `spread` is the standard deviation of the last channel that was kept, over the
same clips: how the latent's spectrum falls. Without --model the closed form alone is measured, fitted on the same data.
"""

import argparse
from pathlib import Path

import torch

from patchworld.data import read_dataset, training_clips
from patchworld.model import load_autoencoder
from patchworld.shapes import Shape
from patchworld.train import AutoencoderTask
from patchworld.vae import AutoencoderConfig, decode_clip, encode_clip
from patchworld.video import psnr, ssim

KEPT = (4, 8, 16, 24, 32, 48, 64, 96)


@torch.no_grad()
def table(autoencoder: torch.nn.Module, clips: list) -> list[tuple[int, float, float, float]]:
    """Channels kept, standard deviation of the last of them, mean PSNR and SSIM over the clips."""
    latents = [encode_clip(autoencoder, clip) for clip in clips]
    spread = torch.cat([latent.flatten(1) for latent in latents], dim=1).std(1)
    rows = []
    for kept in [k for k in KEPT if k <= autoencoder.latent_channels]:
        rebuilt = [
            decode_clip(autoencoder, latent[:kept], Shape(*clip.frames.shape[:3]), clip.fps)
            for clip, latent in zip(clips, latents, strict=True)
        ]
        pairs = list(zip(clips, rebuilt, strict=True))
        rows.append(
            (
                kept,
                spread[kept - 1].item(),
                sum(psnr(a, b) for a, b in pairs) / len(pairs),
                sum(ssim(a, b) for a, b in pairs) / len(pairs),
            )
        )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA")
    parser.add_argument("--model", type=Path, metavar="DIR")
    parser.add_argument("--clips", type=int, default=16, metavar="N")
    options = parser.parse_args()
    datasets = {path.resolve().name: read_dataset(path) for path in options.data}
    if options.model:
        autoencoder = load_autoencoder(options.model)
    else:
        autoencoder = AutoencoderTask(datasets, AutoencoderConfig(), 0).module
    print("| data | channels | spread | PSNR | SSIM |\n|---|---|---|---|---|")
    for name, samples in datasets.items():
        clips = [next(iter(training_clips(sample))) for sample in samples[-options.clips :]]
        for kept, spread, decibel, similarity in table(autoencoder, clips):
            print(f"| {name} | {kept} | {spread:.3f} | {decibel:.2f} | {similarity:.4f} |", flush=True)
