"""How well does the autoencoder keep what it never saw, and how much of it is in the channels that are dreamed?

    pip install scikit-image
    python benchmarks/quality.py [--autoencoder DIR] [--out FILE]

playroom      rendered anew from a seed that no training has, at the sizes of training
photographs   those that come with scikit-image, all of them, filmed by a camera that pans, zooms and turns
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from measure import machine, publish

from patchworld import Clip
from patchworld.data.pictures import Shot, draw
from patchworld.model import DEFAULT, load_autoencoder
from patchworld.playroom import play, sample_scene
from patchworld.shapes import Shape
from patchworld.vae import Autoencoder, decode_clip, encode_clip
from patchworld.video.metrics import psnr, ssim

SEED, CLIPS = 1_000_003, 56
SIZES = ((64, 64, 17), (112, 64, 17), (64, 112, 17), (64, 64, 33), (96, 96, 17), (128, 128, 9), (64, 64, 1))
PHOTOGRAPHS = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "rocket")
PHOTOGRAPHS += ("hubble_deep_field", "motorcycle_left")
FILMED = ((64, 64, 17), (128, 128, 17), (256, 256, 17))
CAMERAS = ("pans", "zooms in", "turns")


def playroom() -> dict[str, Clip]:
    """Clips by name."""
    clips = {}
    for number in range(CLIPS):
        width, height, frames = SIZES[number % len(SIZES)]
        episode = play(sample_scene(SEED, number, frames=frames, size=(width, height)))
        clips[f"{number}: {episode.captions[0].text}"] = episode.clip
    return clips


def photographs() -> dict[str, Clip]:
    """Clips by name; each photograph in each size, under another camera each time."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise SystemExit("the photographs come with scikit-image: pip install scikit-image")
    folder, clips = Path(found.origin).parent / "data", {}
    for number, name in enumerate(PHOTOGRAPHS):
        path = next(folder.glob(f"{name}.*"))
        for turn, (width, height, frames) in enumerate(FILMED):
            camera = CAMERAS[(number + turn) % len(CAMERAS)]
            shot = Shot((number, turn), path, ("red", "blue"), (width, height), frames, camera, (), "steady")
            clips[f"{name}, {width}x{height}, {camera}"] = draw((shot,))
    return clips


def kept(autoencoder: Autoencoder, clip: Clip, channels: int) -> tuple[float, float]:
    """PSNR in dB and SSIM of a clip that went through the first `channels` of the latent."""
    latent = encode_clip(autoencoder, clip)[:channels]
    rebuilt = decode_clip(autoencoder, latent, Shape(*clip.frames.shape[:3]), clip.fps)
    return psnr(clip.frames, rebuilt.frames), ssim(clip.frames, rebuilt.frames)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--autoencoder", type=Path, default=DEFAULT, help="folder of a model; default: the shipped one")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    autoencoder = load_autoencoder(args.autoencoder)
    lines = ["# benchmarks/quality.py", "", machine(), ""]
    lines += [
        "| clips | number | all channels: PSNR, SSIM | the first 64 | the hardest clip |",
        "|---|---|---|---|---|",
    ]
    for name, clips in (("playroom", playroom()), ("photographs", photographs())):
        through = {
            channels: np.array([kept(autoencoder, clip, channels) for clip in clips.values()])
            for channels in (autoencoder.latent_channels, 64)
        }
        means = [f"{found[:, 0].mean():.2f} dB, {found[:, 1].mean():.3f}" for found in through.values()]
        worst = int(through[autoencoder.latent_channels][:, 0].argmin())
        hardest = f"{list(clips)[worst]}: {through[autoencoder.latent_channels][worst, 0]:.1f} dB"
        lines.append(f"| {name} | {len(clips)} | {means[0]} | {means[1]} | {hardest} |")
        if name == "photographs":
            each = through[autoencoder.latent_channels][:, 0].reshape(len(PHOTOGRAPHS), -1).mean(1)
            lines += ["", "Photographs: " + ", ".join(f"{n} {v:.1f}" for n, v in zip(PHOTOGRAPHS, each, strict=True))]
    publish("\n".join(lines), args.out)


if __name__ == "__main__":
    main()
