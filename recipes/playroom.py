"""How the shipped model was made. Run from the root of the repository: python recipes/playroom.py OUT [PHOTOGRAPHS]

    render          the clips and pictures of CLIPS; 2,500 clips of photographs and patterns; two processes
    autoencoder     matrices in closed form, then 28 minutes of the decoder's residual
    transformer     98 minutes, flow, preset `small`: single pictures, then clips of up to 80 tokens, then all
    further         8 minutes of pictures, then 88 of pictures and clips together, the larger ones from minute 37
    rarer           59 minutes more, then 58 with pushes, cameras and portraits; the text encoder stays as it is
    again           93 minutes with more pushes and cameras
    acted           100 minutes on two cores that other programs used too, with more pushes, cuts and hidden things
    carried         92 minutes on two cores, with 12,000 fresh clips: cameras, what is seldom right, cuts, pushes
    steered         95 minutes on two cores, with 34,000 fresh clips and pictures: pushes that are held, cameras, cuts
    weighed         86 minutes on two cores, with 36,000 fresh clips and pictures; errors count as pixels
    fresh           69 minutes on two cores, with 66,000 fresh clips and pictures
    judged          75 minutes on two cores, of dreams that the referee of the scorecard judges
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

Commands = list[list[str]]

# What clips of a kind show, by option of `data playroom`: each word, and how many times as often as another.
WALLS, PIES, CANDLES, TOWERS = "rolls behind a wall", "bites a pie", "blows out a candle", "knocks over a tower"
FALLS, RAMPS, ROLLS = "falls and bounces", "rolls down a ramp", {"rolls to the left": 1, "rolls to the right": 1}
MOVING = dict.fromkeys(("orbits left", "orbits right", "moves in", "moves out", "pans left", "pans right"), 1)
KINDS: dict[str, dict[str, dict[str, int]]] = {
    "all": {},
    "pushes": {"event": {"is pushed": 1}},
    "cuts": {"cut": {"from the left": 1, "from the right": 1, "from above": 1, "from close up": 1}},
    "cameras": {"event": {"rests": 1, **ROLLS}, "camera": MOVING},
    "cameras at rest": {"event": {"rests": 1}, "camera": MOVING},
    "simple": {"event": {"rests": 1, "hits": 1, **ROLLS}},
    "rare": {"event": {"is pushed": 2, WALLS: 1, "hits": 1, PIES: 1, CANDLES: 1, TOWERS: 1}},
    "seldom right": {"event": {WALLS: 2, PIES: 2, CANDLES: 1, FALLS: 2, "hits": 1, RAMPS: 1, TOWERS: 1}},
    "worst": {"event": {WALLS: 3, CANDLES: 3, PIES: 2, FALLS: 2, "hits": 2, RAMPS: 1, TOWERS: 1}},
    "hard": {"event": {WALLS: 3, CANDLES: 2, PIES: 3, FALLS: 3, "hits": 2, RAMPS: 1, TOWERS: 1}},
}
# Sizes and lengths, with their shares.
SMALL = "64x64x17=0.6 112x64x17=0.15 64x112x17=0.15 64x64x33=0.1"
WIDE = "64x64x17=0.55 112x64x17=0.15 64x112x17=0.2 64x64x33=0.1"
LONGER = "64x64x17=0.5 112x64x17=0.17 64x112x17=0.18 64x64x33=0.15"
UPRIGHT = "64x64x17=0.42 112x64x17=0.18 64x112x17=0.27 64x64x33=0.13"
BROAD = "64x64x17=0.41 112x64x17=0.16 64x112x17=0.22 64x64x33=0.12 96x96x17=0.03"
BROAD += " 160x96x17=0.02 96x160x17=0.02 128x128x17=0.02"
PICTURES = "64x64x1=0.3 112x64x1=0.25 64x112x1=0.3 96x96x1=0.08 160x96x1=0.025 96x160x1=0.025 128x128x1=0.02"
# Folder: clips, seed, what they show, sizes.
CLIPS = {
    "playroom": (6000, 1, "all", ""),
    "still": (7650, 3, "all", "64x64x1=0.6 112x64x1=0.15 64x112x1=0.15 96x96x1=0.1"),
    "events": (2281, 5, "rare", SMALL),
    "pushes": (1000, 6, "pushes", WIDE),
    "views": (1000, 7, "cameras", WIDE),
    "still2": (4000, 8, "all", "64x64x1=0.3 112x64x1=0.25 64x112x1=0.35 96x96x1=0.1"),
    "portraits": (600, 9, "all", "64x112x17=1"),
    "views2": (2000, 17, "cameras", WIDE),
    "pushes2": (1500, 16, "pushes", WIDE),
    "events3": (3000, 27, "seldom right", LONGER),
    "pushes3": (2500, 26, "pushes", LONGER),
    "cuts": (2000, 28, "cuts", LONGER),
    "events4": (5000, 41, "worst", UPRIGHT),
    "cuts2": (2500, 42, "cuts", UPRIGHT),
    "views3": (2500, 43, "cameras at rest", UPRIGHT),
    "pushes4": (2000, 44, "pushes", UPRIGHT),
    "still3": (6000, 45, "all", "64x64x1=0.35 112x64x1=0.2 64x112x1=0.35 96x96x1=0.1"),
    "playroom2": (5000, 50, "all", ""),
    "events5": (7000, 51, "hard", BROAD),
    "cuts3": (3500, 52, "cuts", BROAD),
    "views4": (5000, 53, "cameras at rest", BROAD),
    "pushes5": (3500, 54, "pushes", BROAD),
    "still4": (10000, 55, "all", PICTURES),
    "still5": (30000, 60, "all", PICTURES),
    "events6": (3500, 61, "hard", BROAD),
    "cuts4": (1500, 62, "cuts", BROAD),
    "pushes6": (1000, 64, "pushes", BROAD),
    "events7": (12000, 71, "hard", BROAD),
    "cuts5": (6000, 72, "cuts", BROAD),
    "playroom3": (6000, 73, "all", BROAD),
    "pushes7": (3000, 74, "pushes", BROAD),
    "still6": (30000, 76, "all", PICTURES),
    "views5": (3000, 77, "cameras", BROAD),
    "rests": (6000, 78, "simple", BROAD),
}
# Folders that trainings learn from. One that comes twice is learned from twice an epoch.
FIRST = "playroom still events pushes views portraits still2"
SEVENTH = f"{FIRST} views2 pushes2 events3 pushes3 cuts still2 events3 pushes3 cuts"
OLD = "playroom portraits still still2 events events3 cuts views views2 pushes2 pushes3"
EIGHTH = f"{OLD} events4 pushes4 views3 cuts2 events4 pushes4 views3 cuts2 still3"
NINTH = "playroom2 still4 views4 events5 cuts3 pushes5"
TENTH = f"{NINTH} still5 events6 cuts4 pushes6"
NEW = "events7 cuts5 playroom3 pushes7 views5 rests still6"
ELEVENTH = f"{TENTH} {NEW} {NEW} still6 still5"
JUDGED = f"{NEW} events6 cuts4 pushes6 still5"


def steps(out: Path, photographs: str | None = None) -> dict[str, Commands]:
    """The commands of each step, without the word patchworld; nothing is run. `patchworld doctor` reads them too."""

    def learn(name: str, begun: str, data: str, minutes: int, rate: str, *options: str, packs: int = 2) -> list[str]:
        train = ["train", "transformer", "--weights", str(out / begun / "model"), "--out", str(out / name)]
        step = ["--tokens", "1792", "--parts", str(packs), "--minutes", str(minutes), "--lr", rate]
        return [*train, *step, *options, "--data", *(str(out / folder) for folder in data.split())]

    text = "--freeze", "text"
    return {
        "render": render(out, photographs),
        "autoencoder": autoencoder(out),
        "transformer": transformer(out),
        # Pictures alone teach words fastest and let motion be forgotten; together with clips both grow.
        "further": [
            learn("words", "transformer", "playroom", 8, "6e-4", "--stages", "1:frames=1"),
            learn("further", "words", "playroom still events", 88, "8e-4", "--stages", "0.42:tokens=80,1"),
        ],
        # What was seldom right is seen more often, pictures are a third of the tokens.
        "rarer": [
            learn("more", "further", "playroom still events", 59, "8e-4", *text, "--stages", "0.9:tokens=80,1"),
            learn("rarer", "more", f"{FIRST} still still2", 58, "7e-4", *text),
        ],
        "again": [learn("again", "rarer", f"{FIRST} views2 pushes2 still still2", 93, "8e-4", *text)],
        "acted": [learn("acted", "again", SEVENTH, 100, "1e-3", *text)],
        # Fresh clips twice in an epoch, so that what is learned is not these; then fresh ones alone.
        "carried": [learn("carried", "acted", EIGHTH, 92, "1e-3", *text)],
        "steered": [learn("steered", "carried", f"{NINTH} still4", 95, "1e-3", *text)],
        # Weights this old get worse at a high rate that does not fall.
        "weighed": [learn("weighed", "steered", f"{TENTH} still5 events6", 86, "7e-4", *text, "--lr-decay", "0.86")],
        "fresh": [learn("fresh", "weighed", ELEVENTH, 69, "8e-4", *text, "--lr-decay", "1")],
        # What a loss of pixels hardly hears.
        "judged": [learn("judged", "fresh", JUDGED, 75, "3e-4", *text, "--judged", packs=4)],
        "mend": mend(out),
    }


def render(out: Path, photographs: str | None) -> Commands:
    """About an hour and a half."""
    made = []
    for folder, (clips, seed, kind, sizes) in CLIPS.items():
        command = ["data", "playroom", "--workers", "2", "--clips", str(clips), "--out", str(out / folder)]
        command += ["--seed", str(seed), *(["--mix", *sizes.split()] if sizes else [])]
        for option, words in KINDS[kind].items():
            command += [word for name, times in words.items() for word in [f"--{option}", name] * times]
        made.append(command)
    filmed = ["--seed", "1", *(["--photos", photographs] if photographs else [])]
    return [*made, ["data", "pictures", "--workers", "2", "--clips", "2500", "--out", str(out / "pictures"), *filmed]]


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


def mend(out: Path) -> Commands:
    """Faults of dreams are mended where pixels are made; in the end half of the crops are pictures."""
    train, pictures = ["train", "autoencoder", "--lr", "1e-3"], str(out / "pictures")
    dreams = ["--mend", str(out / "judged" / "model"), "--data", str(out / "playroom"), pictures]
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
