"""How the shipped model was made. Run from the root of the repository: python recipes/playroom.py OUT [PHOTOGRAPHS]

    render          6,000 clips of the playroom, 11,650 pictures of it, 8,381 clips of what is rare otherwise,
                    2,500 clips of photographs and patterns; two processes
    autoencoder     matrices in closed form, then 28 minutes of the decoder's residual
    transformer     98 minutes, flow, preset `small`: single pictures, then clips of up to 80 tokens, then all
    further         8 minutes of pictures, then 88 of pictures and clips together, the larger ones from minute 37
    rarer           59 minutes more, then 58 with pushes, cameras and portraits; the text encoder stays as it is
    again           93 minutes with more pushes and cameras
    mend            43 minutes of the decoder, on what the transformer dreams, beside other programs

Measured on one core each, of about 205 GFLOP/s in bfloat16 matrix products; what came of it is in docs/model.md. Every
step continues where it was stopped when the same command is run again. OUT/mended/model is the model.

PHOTOGRAPHS is a folder of pictures of your own; without it the autoencoder learns from patterns, letters and shapes.
"""

import sys
from pathlib import Path

from patchworld.cli import main

RARE = ("is pushed", "rolls behind a wall", "hits", "bites a pie", "blows out a candle", "knocks over a tower")
ROLLS = ("rolls to the left", "rolls to the right")
FOLDERS = ("playroom", "still", "events", "pushes", "views", "portraits", "still2")
CAMERAS = ("orbits left", "orbits right", "moves in", "moves out", "pans left", "pans right")


def run(*arguments: str) -> None:
    """One command; what it could not do ends the recipe."""
    if status := main(arguments):
        sys.exit(status)


def render(out: Path, photographs: str | None) -> None:
    """About fifty minutes."""
    playroom = ["data", "playroom", "--workers", "2"]
    run(*playroom, "--clips", "6000", "--out", str(out / "playroom"), "--seed", "1")
    still = ["64x64x1=0.6", "112x64x1=0.15", "64x112x1=0.15", "96x96x1=0.1"]
    run(*playroom, "--clips", "7650", "--out", str(out / "still"), "--seed", "3", "--mix", *still)
    sizes = ["64x64x17=0.6", "112x64x17=0.15", "64x112x17=0.15", "64x64x33=0.1"]
    events = [word for event in ("is pushed", *RARE) for word in ("--event", event)]  # pushes twice as often
    run(*playroom, "--clips", "2281", "--out", str(out / "events"), "--seed", "5", "--mix", *sizes, *events)
    views = [word for event in ("rests", *ROLLS) for word in ("--event", event)]
    views += [word for camera in CAMERAS for word in ("--camera", camera)]
    wide = ["64x64x17=0.55", "112x64x17=0.15", "64x112x17=0.2", "64x64x33=0.1"]
    pushed = ["--event", "is pushed"]
    run(*playroom, "--clips", "1000", "--out", str(out / "pushes"), "--seed", "6", "--mix", *wide, *pushed)
    run(*playroom, "--clips", "1000", "--out", str(out / "views"), "--seed", "7", "--mix", *wide, *views)
    sizes = ["64x64x1=0.3", "112x64x1=0.25", "64x112x1=0.35", "96x96x1=0.1"]
    run(*playroom, "--clips", "4000", "--out", str(out / "still2"), "--seed", "8", "--mix", *sizes)
    run(*playroom, "--clips", "600", "--out", str(out / "portraits"), "--seed", "9", "--mix", "64x112x17=1")
    given = ["--photos", photographs] if photographs else []
    run(*playroom, "--clips", "2000", "--out", str(out / "views2"), "--seed", "17", "--mix", *wide, *views)
    run(*playroom, "--clips", "1500", "--out", str(out / "pushes2"), "--seed", "16", "--mix", *wide, *pushed)
    run("data", "pictures", "--clips", "2500", "--out", str(out / "pictures"), "--workers", "2", "--seed", "1", *given)


def autoencoder(out: Path) -> None:
    """A minute of closed forms, then the residual of the decoder learns."""
    data = [str(out / "playroom"), str(out / "pictures")]
    run("train", "autoencoder", "--data", *data, "--lr", "1e-3", "--out", str(out / "autoencoder"), "--minutes", "28")


def transformer(out: Path) -> None:
    """Six minutes of encoding, then 98 of training: a part of each step for each of two cores."""
    paths = ["--data", str(out / "playroom"), "--out", str(out / "transformer")]
    settings = [
        "--autoencoder",
        str(out / "autoencoder" / "model"),
        "--minutes",
        "98",
        "--tokens",
        "896",
        "--parts",
        "2",
    ]
    run("train", "transformer", *paths, *settings, "--stages", "0.3:frames=1,0.85:tokens=80,1")


def further(out: Path) -> None:
    """Pictures alone teach words fastest and let motion be forgotten; together with clips both grow."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2"]
    data, still, events = (str(out / name) for name in ("playroom", "still", "events"))
    begun = ["--weights", str(out / "transformer" / "model"), "--out", str(out / "words")]
    run(*train, *begun, "--data", data, "--minutes", "8", "--lr", "6e-4", "--stages", "1:frames=1")
    begun = ["--weights", str(out / "words" / "model"), "--out", str(out / "further")]
    stages = ["--lr", "8e-4", "--stages", "0.42:tokens=80,1"]
    run(*train, *begun, "--data", data, still, events, "--minutes", "88", *stages)


def rarer(out: Path) -> None:
    """What was seldom right is seen more often; pictures twice an epoch, a third of the tokens."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text"]
    folders = {name: str(out / name) for name in FOLDERS}
    begun = ["--weights", str(out / "further" / "model"), "--out", str(out / "more"), "--lr", "8e-4"]
    data = [folders[name] for name in ("playroom", "still", "events")]
    run(*train, *begun, "--data", *data, "--minutes", "59", "--stages", "0.9:tokens=80,1")
    begun = ["--weights", str(out / "more" / "model"), "--out", str(out / "rarer"), "--lr", "7e-4"]
    run(*train, *begun, "--data", *folders.values(), folders["still"], folders["still2"], "--minutes", "58")


def again(out: Path) -> None:
    """Three times as many cameras, two and a half times as many pushes."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text"]
    data = [str(out / name) for name in (*FOLDERS, "views2", "pushes2", "still", "still2")]
    begun = ["--weights", str(out / "rarer" / "model"), "--out", str(out / "again"), "--lr", "8e-4"]
    run(*train, *begun, "--data", *data, "--minutes", "93")


def mend(out: Path) -> None:
    """Faults of dreams are mended where pixels are made; in the end half of the crops are pictures."""
    begun = "again"
    for name, data, minutes in (("mending", "playroom", "30"), ("mended", "events", "13")):
        both = ["--mend", str(out / begun / "model"), "--data", str(out / data), str(out / "pictures")]
        run("train", "autoencoder", *both, "--out", str(out / name), "--lr", "1e-3", "--minutes", minutes)
        begun = name


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python recipes/playroom.py OUT [PHOTOGRAPHS]")
    folder = Path(sys.argv[1])
    render(folder, sys.argv[2] if len(sys.argv) == 3 else None)
    autoencoder(folder)
    transformer(folder)
    further(folder)
    rarer(folder)
    again(folder)
    mend(folder)
