"""How the shipped model was made. Run from the root of the repository: python recipes/playroom.py OUT [PHOTOGRAPHS]

    render          6,000 clips of the playroom, 2,500 of pictures       two processes
    autoencoder     15 minutes from the principal components, then 28 of the decoder alone
    transformer     98 minutes, flow, preset `small`, single pictures first

Measured on one core each, of about 205 GFLOP/s in bfloat16 matrix products; what came of it is in docs/model.md. Every
step continues where it was stopped when the same command is run again. OUT/transformer/model is the model.

PHOTOGRAPHS is a folder of pictures of your own; without it the autoencoder learns from patterns, letters and shapes.

Sizes and durations are weighted over a run without touching the data: the transformer learns from single pictures for
30 % of its time, then from clips of up to 80 tokens (2 s of 64 x 64), then from all. `--stages 0.9:drop=0.5,1` would
drop half the tokens of most clips until the last tenth, which does not pay here (docs/log.md); `--base-tokens 80` moves
larger clips to more noise: what that brings is not measured yet.
"""

import sys
from pathlib import Path

from patchworld.cli import main


def run(*arguments: str) -> None:
    """One command; what it could not do ends the recipe."""
    if status := main(arguments):
        sys.exit(status)


def render(out: Path, photographs: str | None) -> None:
    """About twenty minutes."""
    run("data", "playroom", "--clips", "6000", "--out", str(out / "playroom"), "--workers", "2", "--seed", "1")
    given = ["--photos", photographs] if photographs else []
    run("data", "pictures", "--clips", "2500", "--out", str(out / "pictures"), "--workers", "2", "--seed", "1", *given)


def autoencoder(out: Path) -> None:
    """Both parts, then the decoder alone, with latents that stay as they are: a transformer can begin meanwhile."""
    train = ["train", "autoencoder", "--data", str(out / "playroom"), str(out / "pictures"), "--lr", "1e-3"]
    run(*train, "--out", str(out / "autoencoder"), "--minutes", "15")
    weights = ["--weights", str(out / "autoencoder" / "model"), "--decoder-only"]
    run(*train, "--out", str(out / "decoder"), "--minutes", "28", *weights)


def transformer(out: Path) -> None:
    """Six minutes of encoding, then 98 of training: a part of each step for each of two cores."""
    paths = ["--data", str(out / "playroom"), "--out", str(out / "transformer")]
    settings = ["--autoencoder", str(out / "decoder" / "model"), "--minutes", "98", "--tokens", "896", "--parts", "2"]
    run("train", "transformer", *paths, *settings, "--stages", "0.3:frames=1,0.85:tokens=80,1")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python recipes/playroom.py OUT [PHOTOGRAPHS]")
    folder = Path(sys.argv[1])
    render(folder, sys.argv[2] if len(sys.argv) == 3 else None)
    autoencoder(folder)
    transformer(folder)
