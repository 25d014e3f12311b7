"""How the shipped model was made. Run from the root of the repository: python recipes/playroom.py OUT [PHOTOGRAPHS]

    render          11,000 clips of the playroom, 57,650 pictures of it, 52,881 clips of what is rare otherwise,
                    2,500 clips of photographs and patterns; two processes
    autoencoder     matrices in closed form, then 28 minutes of the decoder's residual
    transformer     98 minutes, flow, preset `small`: single pictures, then clips of up to 80 tokens, then all
    further         8 minutes of pictures, then 88 of pictures and clips together, the larger ones from minute 37
    rarer           59 minutes more, then 58 with pushes, cameras and portraits; the text encoder stays as it is
    again           93 minutes with more pushes and cameras
    acted           100 minutes on two cores that other programs used too, with more pushes, cuts and hidden things
    carried         92 minutes on two cores, with 12,000 fresh clips: cameras, what is seldom right, cuts, pushes
    steered         95 minutes on two cores, with 34,000 fresh clips and pictures: pushes that are held, cameras, cuts
    weighed         86 minutes on two cores, with 36,000 fresh clips and pictures; errors count as pixels
    mend            43 minutes of the decoder, on what the transformer dreams, beside other programs

Measured on one core each, of about 205 GFLOP/s in bfloat16 matrix products; what came of it is in docs/model.md. Two
cores take nearly twice as many tokens in the same minutes. Its steps were run one by one, not yet all in a row. Every
step continues where it was stopped when the same command is run again. OUT/mended/model is the model.
`patchworld doctor recipes/playroom.py` tells what all of it needs, before anything runs.

On several devices, --launch "torchrun --nproc-per-node 8" starts each training there; clips are made by one process.

PHOTOGRAPHS is a folder of pictures of your own; without it the autoencoder learns from patterns, letters and shapes.
"""

import argparse
import shlex
import subprocess
import sys
from itertools import chain
from pathlib import Path

from patchworld.cli import main

RARE = ("is pushed", "rolls behind a wall", "hits", "bites a pie", "blows out a candle", "knocks over a tower")
ROLLS = ("rolls to the left", "rolls to the right")
FOLDERS = ("playroom", "still", "events", "pushes", "views", "portraits", "still2")
SELDOM_RIGHT = (
    *("rolls behind a wall", "rolls behind a wall", "bites a pie", "bites a pie", "blows out a candle"),
    *("falls and bounces", "falls and bounces", "hits", "rolls down a ramp", "knocks over a tower"),
)
WORST = (
    *("rolls behind a wall", "rolls behind a wall", "rolls behind a wall"),
    *("blows out a candle", "blows out a candle", "blows out a candle", "bites a pie", "bites a pie"),
    *("falls and bounces", "falls and bounces", "hits", "hits", "rolls down a ramp", "knocks over a tower"),
)
HARD = (
    *("rolls behind a wall", "rolls behind a wall", "rolls behind a wall", "blows out a candle", "blows out a candle"),
    *("bites a pie", "bites a pie", "bites a pie", "falls and bounces", "falls and bounces", "falls and bounces"),
    *("hits", "hits", "rolls down a ramp", "knocks over a tower"),
)
CUTS = ("from the left", "from the right", "from above", "from close up")
CAMERAS = ("orbits left", "orbits right", "moves in", "moves out", "pans left", "pans right")


Commands = list[list[str]]


def steps(out: Path, photographs: str | None = None) -> dict[str, Commands]:
    """The commands of each step, without the word patchworld; nothing is run. `patchworld doctor` reads them too."""
    return {
        "render": render(out, photographs),
        "autoencoder": autoencoder(out),
        "transformer": transformer(out),
        "further": further(out),
        "rarer": rarer(out),
        "again": again(out),
        "acted": acted(out),
        "carried": carried(out),
        "steered": steered(out),
        "weighed": weighed(out),
        "mend": mend(out),
    }


def render(out: Path, photographs: str | None) -> Commands:
    """About an hour."""
    playroom = ["data", "playroom", "--workers", "2"]
    still = ["64x64x1=0.6", "112x64x1=0.15", "64x112x1=0.15", "96x96x1=0.1"]
    sizes = ["64x64x17=0.6", "112x64x17=0.15", "64x112x17=0.15", "64x64x33=0.1"]
    events = [word for event in ("is pushed", *RARE) for word in ("--event", event)]  # pushes twice as often
    views = [word for event in ("rests", *ROLLS) for word in ("--event", event)]
    views += [word for camera in CAMERAS for word in ("--camera", camera)]
    wide = ["64x64x17=0.55", "112x64x17=0.15", "64x112x17=0.2", "64x64x33=0.1"]
    pushed = ["--event", "is pushed"]
    longer = ["64x64x17=0.5", "112x64x17=0.17", "64x112x17=0.18", "64x64x33=0.15"]
    seldom = [word for event in SELDOM_RIGHT for word in ("--event", event)]
    cuts = [word for view in CUTS for word in ("--cut", view)]
    more = ["64x64x1=0.3", "112x64x1=0.25", "64x112x1=0.35", "96x96x1=0.1"]
    tall = ["64x112x17=1"]
    fresh = ["64x64x17=0.42", "112x64x17=0.18", "64x112x17=0.27", "64x64x33=0.13"]
    worst = [word for event in WORST for word in ("--event", event)]
    broad = ["64x64x17=0.41", "112x64x17=0.16", "64x112x17=0.22", "64x64x33=0.12", "96x96x17=0.03"]
    broad += ["160x96x17=0.02", "96x160x17=0.02", "128x128x17=0.02"]
    rest = [*views[:2], *(word for camera in CAMERAS for word in ("--camera", camera))]
    hard = [word for event in HARD for word in ("--event", event)]
    large = ["64x64x1=0.3", "112x64x1=0.25", "64x112x1=0.3", "96x96x1=0.08"]
    large += ["160x96x1=0.025", "96x160x1=0.025", "128x128x1=0.02"]
    upright = ["64x64x1=0.35", "112x64x1=0.2", "64x112x1=0.35", "96x96x1=0.1"]
    filmed = ["--seed", "1", *(["--photos", photographs] if photographs else [])]
    return [
        [*playroom, "--clips", "6000", "--out", str(out / "playroom"), "--seed", "1"],
        [*playroom, "--clips", "7650", "--out", str(out / "still"), "--seed", "3", "--mix", *still],
        [*playroom, "--clips", "2281", "--out", str(out / "events"), "--seed", "5", "--mix", *sizes, *events],
        [*playroom, "--clips", "1000", "--out", str(out / "pushes"), "--seed", "6", "--mix", *wide, *pushed],
        [*playroom, "--clips", "1000", "--out", str(out / "views"), "--seed", "7", "--mix", *wide, *views],
        [*playroom, "--clips", "4000", "--out", str(out / "still2"), "--seed", "8", "--mix", *more],
        [*playroom, "--clips", "600", "--out", str(out / "portraits"), "--seed", "9", "--mix", *tall],
        [*playroom, "--clips", "2000", "--out", str(out / "views2"), "--seed", "17", "--mix", *wide, *views],
        [*playroom, "--clips", "1500", "--out", str(out / "pushes2"), "--seed", "16", "--mix", *wide, *pushed],
        [*playroom, "--clips", "3000", "--out", str(out / "events3"), "--seed", "27", "--mix", *longer, *seldom],
        [*playroom, "--clips", "2500", "--out", str(out / "pushes3"), "--seed", "26", "--mix", *longer, *pushed],
        [*playroom, "--clips", "2000", "--out", str(out / "cuts"), "--seed", "28", "--mix", *longer, *cuts],
        [*playroom, "--clips", "5000", "--out", str(out / "events4"), "--seed", "41", "--mix", *fresh, *worst],
        [*playroom, "--clips", "2500", "--out", str(out / "cuts2"), "--seed", "42", "--mix", *fresh, *cuts],
        [*playroom, "--clips", "2500", "--out", str(out / "views3"), "--seed", "43", "--mix", *fresh, *rest],
        [*playroom, "--clips", "2000", "--out", str(out / "pushes4"), "--seed", "44", "--mix", *fresh, *pushed],
        [*playroom, "--clips", "6000", "--out", str(out / "still3"), "--seed", "45", "--mix", *upright],
        [*playroom, "--clips", "5000", "--out", str(out / "playroom2"), "--seed", "50"],
        [*playroom, "--clips", "7000", "--out", str(out / "events5"), "--seed", "51", "--mix", *broad, *hard],
        [*playroom, "--clips", "3500", "--out", str(out / "cuts3"), "--seed", "52", "--mix", *broad, *cuts],
        [*playroom, "--clips", "5000", "--out", str(out / "views4"), "--seed", "53", "--mix", *broad, *rest],
        [*playroom, "--clips", "3500", "--out", str(out / "pushes5"), "--seed", "54", "--mix", *broad, *pushed],
        [*playroom, "--clips", "10000", "--out", str(out / "still4"), "--seed", "55", "--mix", *large],
        [*playroom, "--clips", "30000", "--out", str(out / "still5"), "--seed", "60", "--mix", *large],
        [*playroom, "--clips", "3500", "--out", str(out / "events6"), "--seed", "61", "--mix", *broad, *hard],
        [*playroom, "--clips", "1500", "--out", str(out / "cuts4"), "--seed", "62", "--mix", *broad, *cuts],
        [*playroom, "--clips", "1000", "--out", str(out / "pushes6"), "--seed", "64", "--mix", *broad, *pushed],
        ["data", "pictures", "--workers", "2", "--clips", "2500", "--out", str(out / "pictures"), *filmed],
    ]


def autoencoder(out: Path) -> Commands:
    """A minute of closed forms, then the residual of the decoder learns."""
    data = ["--data", str(out / "playroom"), str(out / "pictures")]
    return [["train", "autoencoder", *data, "--lr", "1e-3", "--out", str(out / "autoencoder"), "--minutes", "28"]]


def transformer(out: Path) -> Commands:
    """Six minutes of encoding, then 98 of training: a part of each step for each of two cores."""
    paths = ["--data", str(out / "playroom"), "--out", str(out / "transformer")]
    settings = ["--autoencoder", str(out / "autoencoder" / "model"), "--minutes", "98", "--tokens", "896"]
    stages = ["--parts", "2", "--stages", "0.3:frames=1,0.85:tokens=80,1"]
    return [["train", "transformer", *paths, *settings, *stages]]


def further(out: Path) -> Commands:
    """Pictures alone teach words fastest and let motion be forgotten; together with clips both grow."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2"]
    data, still, events = (str(out / name) for name in ("playroom", "still", "events"))
    words = ["--weights", str(out / "transformer" / "model"), "--out", str(out / "words"), "--data", data]
    both = ["--weights", str(out / "words" / "model"), "--out", str(out / "further"), "--data", data, still, events]
    return [
        [*train, *words, "--minutes", "8", "--lr", "6e-4", "--stages", "1:frames=1"],
        [*train, *both, "--minutes", "88", "--lr", "8e-4", "--stages", "0.42:tokens=80,1"],
    ]


def rarer(out: Path) -> Commands:
    """What was seldom right is seen more often; pictures twice an epoch, a third of the tokens."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text"]
    folders = {name: str(out / name) for name in FOLDERS}
    more = ["--weights", str(out / "further" / "model"), "--out", str(out / "more"), "--lr", "8e-4"]
    rarer = ["--weights", str(out / "more" / "model"), "--out", str(out / "rarer"), "--lr", "7e-4"]
    data = [folders[name] for name in ("playroom", "still", "events")]
    twice = [*folders.values(), folders["still"], folders["still2"]]
    return [
        [*train, *more, "--data", *data, "--minutes", "59", "--stages", "0.9:tokens=80,1"],
        [*train, *rarer, "--data", *twice, "--minutes", "58"],
    ]


def again(out: Path) -> Commands:
    """Three times as many cameras, two and a half times as many pushes."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text"]
    data = [str(out / name) for name in (*FOLDERS, "views2", "pushes2", "still", "still2")]
    begun = ["--weights", str(out / "rarer" / "model"), "--out", str(out / "again"), "--lr", "8e-4"]
    return [[*train, *begun, "--data", *data, "--minutes", "93"]]


def acted(out: Path) -> Commands:
    """Twice in an epoch: what is seldom right, pushes and cuts."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text", "--lr", "1e-3"]
    names = (*FOLDERS, "views2", "pushes2", *("events3", "pushes3", "cuts", "still2"), *("events3", "pushes3", "cuts"))
    begun = ["--weights", str(out / "again" / "model"), "--out", str(out / "acted"), "--minutes", "100"]
    return [[*train, *begun, "--data", *(str(out / name) for name in names)]]


def carried(out: Path) -> Commands:
    """Fresh clips twice in an epoch, so that what is learned is not these."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text", "--lr", "1e-3"]
    seen = ("playroom", "portraits", "still", "still2", "events", "events3", "cuts", "views", "views2", "pushes2")
    fresh = ("events4", "pushes4", "views3", "cuts2")
    data = [str(out / name) for name in (*seen, "pushes3", *fresh, *fresh, "still3")]
    begun = ["--weights", str(out / "acted" / "model"), "--out", str(out / "carried"), "--minutes", "92"]
    return [[*train, *begun, "--data", *data]]


def steered(out: Path) -> Commands:
    """Fresh clips alone, pictures twice in an epoch; motion is learned in every pack."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text", "--lr", "1e-3"]
    names = ("playroom2", "still4", "views4", "events5", "cuts3", "pushes5", "still4")
    begun = ["--weights", str(out / "carried" / "model"), "--out", str(out / "steered"), "--minutes", "95"]
    return [[*train, *begun, "--data", *(str(out / name) for name in names)]]


def weighed(out: Path) -> Commands:
    """Clips of before and fresh ones; pictures are a third of the tokens again. What is fresh and rare comes twice."""
    train = ["train", "transformer", "--tokens", "1792", "--parts", "2", "--freeze", "text"]
    rate = ["--lr", "7e-4", "--lr-decay", "0.86"]  # weights this old get worse at a high rate that does not fall
    seen = ("playroom2", "still4", "views4", "events5", "cuts3", "pushes5")
    data = [str(out / name) for name in (*seen, "still5", "events6", "cuts4", "pushes6", "still5", "events6")]
    begun = ["--weights", str(out / "steered" / "model"), "--out", str(out / "weighed"), "--minutes", "86"]
    return [[*train, *rate, *begun, "--data", *data]]


def mend(out: Path) -> Commands:
    """Faults of dreams are mended where pixels are made; in the end half of the crops are pictures."""
    train, pictures = ["train", "autoencoder", "--lr", "1e-3"], str(out / "pictures")
    dreams = ["--mend", str(out / "weighed" / "model"), "--data", str(out / "playroom"), pictures]
    more = ["--mend", str(out / "mending" / "model"), "--data", str(out / "events"), pictures]
    return [
        [*train, *dreams, "--out", str(out / "mending"), "--minutes", "30"],
        [*train, *more, "--out", str(out / "mended"), "--minutes", "13"],
    ]


def run(commands: Commands, launch: str = "") -> int:
    """Run them in turn, trainings by the command `launch`; the exit status of the first that fails, or 0."""
    for command in commands:
        if launch and command[0] == "train":
            status = subprocess.call([*shlex.split(launch), "-m", "patchworld", *command])
        else:
            status = main(command)
        if status:
            return status
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(".")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("photographs", nargs="?", metavar="PHOTOGRAPHS", help="folder of pictures of your own")
    parser.add_argument(
        "--launch", default="", metavar="COMMAND", help="what starts each training; default: this process"
    )
    options = parser.parse_args()
    sys.exit(run(list(chain.from_iterable(steps(options.out, options.photographs).values())), options.launch))
