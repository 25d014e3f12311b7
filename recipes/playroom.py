"""How the shipped model was made. Run from the root of the repository: python recipes/playroom.py OUT

    render          6,000 clips of the playroom                      two processes
    autoencoder     17 minutes from the principal components         held out: 31.8 dB PSNR, 0.917 SSIM
    transformer     52 minutes, flow, preset `small`                 held out: loss 0.210, scores in docs/model.md

Measured on two cores that reach about 210 GFLOP/s each in bfloat16 matrix products. Every step continues where it was
stopped when the same command is run again. OUT/transformer/model is the model.

Sizes and durations can be weighted over a run without touching the data: `--stages 0.6:80,0.9::0.5,1` learns from clips
of up to 80 tokens (2 s of 64 x 64) for 60 % of the budget, then from all sizes with half the tokens of most clips
dropped, and from whole clips at the end. `--base-tokens 80` moves larger clips to more noise. Neither is in this
recipe: what they bring has not been measured yet.
"""

import sys
from pathlib import Path

from patchworld.cli import main


def run(*arguments: str) -> None:
    """One command; what it could not do ends the recipe."""
    if status := main(arguments):
        sys.exit(status)


def render(out: Path) -> None:
    """About ten minutes."""
    run("data", "playroom", "--clips", "6000", "--out", str(out / "data"), "--workers", "2", "--seed", "1")


def autoencoder(out: Path) -> None:
    """17 minutes; the run behind the shipped weights had mostly one core."""
    paths = ["--data", str(out / "data"), "--out", str(out / "autoencoder")]
    run("train", "autoencoder", *paths, "--minutes", "17", "--lr", "1e-3")


def transformer(out: Path) -> None:
    """Two minutes of encoding, then 52 of training on both cores."""
    paths = ["--data", str(out / "data"), "--out", str(out / "transformer")]
    run("train", "transformer", *paths, "--autoencoder", str(out / "autoencoder" / "model"), "--minutes", "52")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python recipes/playroom.py OUT")
    for step in (render, autoencoder, transformer):
        step(Path(sys.argv[1]))
