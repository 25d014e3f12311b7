"""Chance: what is in clip number i, and what it is called."""

from pathlib import Path

import numpy as np

from patchworld.data.pictures.colours import COLOURS
from patchworld.data.pictures.flight import FORMS
from patchworld.data.pictures.patterns import PATTERNS
from patchworld.data.pictures.shot import CAMERAS, LIGHTS, Shot
from patchworld.data.pictures.words import some_words

PHOTOGRAPHS = 0.6  # their share, where some are given

# width, height, frames and share of the clips: the playroom's mix, with more of the large
MIX = (
    (64, 64, 17, 0.24),
    (112, 64, 17, 0.12),
    (64, 112, 17, 0.12),
    (96, 96, 17, 0.16),
    (128, 128, 17, 0.10),
    (128, 128, 9, 0.08),
    (64, 64, 33, 0.05),
    (96, 96, 1, 0.03),
    (128, 128, 1, 0.03),
    (256, 256, 9, 0.03),
    (192, 128, 17, 0.02),
    (64, 64, 65, 0.02),
)


def plan(seed: int, index: int, photographs: tuple[Path, ...] = ()) -> tuple[Shot, ...]:
    """The shots of clip number `index`: one, or two with a cut between."""
    rng = np.random.default_rng((seed, index))
    width, height, num_frames, _ = MIX[rng.choice(len(MIX), p=[share for *_, share in MIX])]
    lengths = [num_frames]
    if num_frames > 8 and rng.random() < 0.08:
        first = int(rng.integers(3, num_frames - 3))
        lengths = [first, num_frames - first]
    return tuple(
        _plan_shot(rng, (seed, index, part), (width, height), length, photographs)
        for part, length in enumerate(lengths)
    )


def _plan_shot(
    rng: np.random.Generator, key: tuple[int, ...], size: tuple[int, int], num_frames: int, photos: tuple[Path, ...]
) -> Shot:
    if photos and rng.random() < PHOTOGRAPHS:
        source: str | Path = photos[rng.integers(len(photos))]
        things = rng.random() < 0.15
    else:
        source = str(rng.choice(list(PATTERNS)))
        things = rng.random() < 0.5
    above: tuple[str, ...] = ()
    if things and rng.random() < 0.7:
        above = tuple(str(form) for form in rng.choice(list(FORMS), rng.integers(1, 5)))
    elif things:
        above = (some_words(rng, 2),)
    still = num_frames == 1
    camera = "is still" if still else str(rng.choice(CAMERAS, p=(0.08, 0.3, 0.1, 0.1, 0.1, 0.12, 0.1, 0.1)))
    light = "steady" if still else str(rng.choice(LIGHTS, p=(0.85, 0.05, 0.05, 0.05)))
    colours = tuple(str(name) for name in rng.choice(list(COLOURS), 2, replace=False))
    return Shot(key, source, colours, size, num_frames, camera, above, light)


def describe(shots: tuple[Shot, ...]) -> str:
    """What is to be seen, in one line."""
    return ", then ".join(_describe_shot(shot) for shot in shots)


def _describe_shot(shot: Shot) -> str:
    words = ["a picture" if isinstance(shot.source, Path) else f"{' and '.join(shot.colours)} {shot.source}"]
    if shot.num_frames > 1:
        words.append(f"the camera {shot.camera}")
    if shot.above:
        count, verb = len(shot.above), "is seen" if shot.num_frames == 1 else "moves"
        if shot.above[0] not in FORMS:
            words.append(f'the text "{shot.above[0]}" {verb} above')
        elif count == 1:
            words.append(f"a {shot.above[0]} {verb} above")
        else:
            words.append(f"{count} shapes {'are seen' if shot.num_frames == 1 else 'move'} above")
    return ", ".join(words + ([f"the light {shot.light}"] if shot.light != "steady" else []))
