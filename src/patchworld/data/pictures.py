"""A data set of everything but a world: photographs seen by a moving camera, and patterns, letters and shapes drawn by
code. An autoencoder trained on it learns pictures in general, not one world.

    patchworld data pictures --clips 2500 --photos my-photos --out pictures

    out/clips/000000.mkv     lossless, in RGB (000000.png for a clip of one frame)
    out/captions.jsonl       {"video": "clips/000000.mkv", "caption": "a picture, the camera pans"}
    out/dataset.json         the settings, so that the same command can go on where it stopped

A clip is one shot, or two with a cut between. A shot is a still *sheet* under a moving camera, with shapes or words
that move above it and a change of light. What is in clip number i is a function of the seed, i, and the names of the
photographs; letters also depend on the fonts that are installed.

The sheet holds two pixels for each pixel of the frame at the widest view. Each pixel of a frame is the mean of four
bicubic samples, so that nothing finer than a pixel is left to flicker.

Any folder of pictures serves for `--photos`, its subfolders included. Debian has packages of them, with their
licences in usr/share/doc or beside them; some letters are Chinese where a font such as fonts-wqy-microhei is installed:

    apt-get download plasma-workspace-wallpapers mate-backgrounds lomiri-wallpapers-20.04 palapeli-data
    for package in *.deb; do dpkg -x "$package" my-photos; done
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from patchworld.errors import InputError
from patchworld.video import Clip, read, write
from patchworld.video.lettering import STYLES, has_chinese, lettering
from patchworld.video.made_folder import check_amounts, settle
from patchworld.video.resize import resize_frame
from patchworld.video.whole_file import whole_file
from patchworld.workers import side_by_side

FPS = 8.0
FINE = 2  # samples of the sheet along each side of a pixel
PHOTOGRAPHS = 0.6  # their share, where some are given
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
VERSION = 1

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

COLOURS = {
    "black": (15, 15, 15),
    "white": (240, 240, 240),
    "grey": (128, 128, 128),
    "red": (205, 40, 40),
    "orange": (235, 135, 30),
    "yellow": (235, 215, 50),
    "green": (50, 150, 60),
    "cyan": (50, 190, 200),
    "blue": (45, 80, 200),
    "purple": (130, 60, 170),
    "pink": (240, 150, 180),
    "brown": (120, 75, 40),
}
WORDS = (
    "a",
    "world",
    "made",
    "of",
    "spacetime",
    "patches",
    "where",
    "light",
    "falls",
    "on",
    "moving",
    "things",
    "0123456789",
    "And",
    "EVERY",
    "Frame",
    "&",
    "Path?",
)
CHINESE_WORDS = (
    "一个",
    "世界",
    "由",
    "时空",
    "碎片",
    "组成",
    "光",
    "落在",
    "移动",
    "的",
    "东西",
    "上",
    "每一帧",
    "画面",
)
CAMERAS = ("is still", "pans", "zooms in", "zooms out", "turns", "pans and zooms in", "pans and zooms out", "roams")
LIGHTS = ("steady", "brightens", "darkens", "flickers")


@dataclass(frozen=True)
class Shot:
    """What is seen between two cuts. `source`: a photograph or a key of PATTERNS. `key` addresses all other chance."""

    key: tuple[int, ...]
    source: str | Path
    colours: tuple[str, ...]
    size: tuple[int, int]
    num_frames: int
    camera: str
    above: tuple[str, ...]  # a form of FORMS for each thing that flies above, or the words
    light: str


def write_pictures(
    out: str | Path, *, num_clips: int, photos: str | Path | None = None, workers: int = 1, seed: int = 0
) -> Path:
    """Write `num_clips` clips into the folder `out` and return it. Run again to continue, or to add clips.

    photos: a folder of pictures, its subfolders included; without it everything is drawn by code.
    Raises InputError for numbers out of range, a folder without pictures, or an `out` that holds something else.
    """
    check_amounts(num_clips, workers, seed)
    folder, sources = Path(out), find_photographs(photos) if photos is not None else ()
    names = [path.relative_to(photos).as_posix() for path in sources] if photos is not None else []
    settle(folder, {"version": VERSION, "world": "pictures", "seed": seed, "photographs": names}, ["clips"])
    plans = [(_video(folder, shots), shots) for shots in (plan(seed, i, sources) for i in range(num_clips))]
    missing = [job for job in plans if not job[0].exists()]
    try:
        done = side_by_side(_write_clip, missing, workers, partial(torch.set_num_threads, 1))
        for _ in tqdm(done, total=len(missing), unit="clip", desc="pictures", delay=1):
            pass
    finally:
        _write_captions(folder, plans)
    return folder


def find_photographs(folder: str | Path) -> tuple[Path, ...]:
    """The pictures in a folder and its subfolders, by name. Raises InputError when there are none."""
    folder = Path(folder)
    found = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES))
    if not found:
        raise InputError(f"{folder} holds no pictures: give a folder with {', '.join(PICTURES)} files")
    return found


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
        above = (_words(rng, 2),)
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


def draw(shots: tuple[Shot, ...]) -> Clip:
    """The shots as one clip."""
    return Clip(np.concatenate([_draw_shot(shot) for shot in shots]), FPS)


def _draw_shot(shot: Shot) -> np.ndarray:
    """uint8 (frames, height, width, 3)"""
    rng = np.random.default_rng((*shot.key, 1))
    sheet = _sheet(shot, rng)
    frames = _filmed(sheet, _camera(shot, sheet.shape[1], sheet.shape[0], rng), shot.size)
    for form in shot.above:
        cover = _flying(shot, form, rng) if form in FORMS else _moving_words(shot, form, rng)
        frames += cover[..., None] * (_colour(rng, str(rng.choice(list(COLOURS)))) - frames)
    frames *= _light(shot, rng)[:, None, None, None]
    return frames.round().clip(0, 255).astype(np.uint8)


def _light(shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """The factor of brightness of each frame: (frames,)."""
    course = np.linspace(0, 1, shot.num_frames)
    depth = rng.uniform(0.3, 0.7)
    if shot.light == "flickers":
        return 1 - depth * rng.random(shot.num_frames)
    if shot.light == "brightens":
        return 1 - depth * (1 - course)
    return 1 - depth * course if shot.light == "darkens" else np.ones(shot.num_frames)


# --- the camera ---


def _camera(shot: Shot, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Where the camera is in each frame: (frames, 4) of x, y, sheet pixels a sample, and angle in radians.

    The view keeps within the sheet (width, height), whatever the angle.
    """
    zoom = rng.uniform(1.15, 1.9) if any(word in shot.camera for word in ("zooms", "roams")) else 1.0
    turn = rng.uniform(-0.8, 0.8) if shot.camera in ("turns", "roams") else 0.0
    angle = np.array([0.0, turn]) + (rng.uniform(-math.pi, math.pi) if rng.random() < 0.1 else 0.0)
    span = np.array([1.0, 1 / zoom]) if rng.random() < 0.5 or "in" in shot.camera else np.array([1 / zoom, 1.0])
    if "zooms out" in shot.camera:
        span = np.array([1 / zoom, 1.0])
    reach = _reach(shot.size, angle)
    span = span * min(1.0, width / (2 * reach[0]), height / (2 * reach[1]))
    low = np.stack([span * reach[0], span * reach[1]], 1)
    high = np.maximum(np.array([width, height]) - low, low)
    start = rng.uniform(low[0], high[0])
    if "pans" in shot.camera or shot.camera == "roams":
        way = rng.uniform(0, 2 * math.pi) if rng.random() < 0.5 else rng.integers(4) * math.pi / 2
        speed = FINE * max(shot.size) / 64 * np.exp(rng.uniform(math.log(0.15), math.log(4)))
        step = speed * shot.num_frames * np.array([math.cos(way), math.sin(way)])
        # Turn back from an edge that is near, so that a pan is a pan and not a stop.
        end = np.where((start + step < low[1]) | (start + step > high[1]), start - step, start + step)
    else:
        end = start
    end = end.clip(low[1], high[1])
    course = np.linspace(0, 1, shot.num_frames)
    if rng.random() < 0.4:
        course = course * course * (3 - 2 * course)  # slow at both ends
    place = start + course[:, None] * (end - start)
    return np.column_stack([place, span[0] * (span[1] / span[0]) ** course, angle[0] + turn * course])


def _reach(size: tuple[int, int], angle: np.ndarray) -> np.ndarray:
    """How far the view reaches from its middle along x and y at most, in samples, from the first angle to the last."""
    angles = np.linspace(angle[0], angle[1], 9)
    across, up = np.abs(np.cos(angles)), np.abs(np.sin(angles))
    width, height = (side * FINE / 2 for side in size)
    return np.array([(width * across + height * up).max(), (width * up + height * across).max()])


def _filmed(sheet: np.ndarray, camera: np.ndarray, size: tuple[int, int], padding: str = "reflection") -> np.ndarray:
    """The sheet (height, width, channels) as the camera sees it: float32 (frames, height, width, channels).

    camera: (frames, 4) as `_camera` gives it. padding: what lies beyond the sheet, a mode of `grid_sample`.
    """
    picture = torch.from_numpy(np.ascontiguousarray(sheet.transpose(2, 0, 1), np.float32))[None]
    width, height = (side * FINE for side in size)
    across = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
    down = (torch.arange(height, dtype=torch.float32) - (height - 1) / 2)[:, None]
    frames = []
    for x, y, span, angle in camera.tolist():
        cos, sin = span * math.cos(angle), span * math.sin(angle)
        at = torch.stack([x + cos * across - sin * down, y + sin * across + cos * down], 2)
        at = 2 * at / torch.tensor([sheet.shape[1], sheet.shape[0]]) - 1
        seen = F.grid_sample(picture, at[None], mode="bicubic", padding_mode=padding, align_corners=False)
        frames.append(F.avg_pool2d(seen, FINE)[0])
    return torch.stack(frames).permute(0, 2, 3, 1).contiguous().numpy()


# --- the sheet ---


def _sheet(shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """The still picture under the camera: float32 (height, width, 3), 0 to 255."""
    if isinstance(shot.source, Path):
        return _photograph(shot.source, shot.size, rng)
    extent = math.ceil(FINE * max(shot.size) * (1.7 if max(shot.size) <= 128 else 1.45))
    colours = np.stack([_colour(rng, name) for name in shot.colours])
    return PATTERNS[shot.source](rng, extent, colours).astype(np.float32)


def _photograph(path: Path, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A photograph, scaled so that the widest view takes all of it or a part; enlarged only if smaller than a view."""
    picture = _read_picture(path)
    height, width = picture.shape[:2]
    if rng.random() < 0.3:
        picture = picture[:, ::-1]
    least = max(FINE * size[0] / width, FINE * size[1] / height)
    scale = least * np.exp(rng.uniform(math.log(1.05), math.log(4)))
    scale = max(min(scale, 1.0), 1.02 * least)
    return resize_frame(picture, (round(width * scale), round(height * scale))).astype(np.float32)


@lru_cache(maxsize=16)
def _read_picture(path: Path) -> np.ndarray:
    return read(path).frames[0]


def _colour(rng: np.random.Generator, name: str) -> np.ndarray:
    return (np.array(COLOURS[name], np.float32) + rng.uniform(-15, 15, 3)).clip(0, 255).astype(np.float32)


def _plane(rng: np.random.Generator, extent: int) -> tuple[np.ndarray, np.ndarray]:
    """The coordinates of a sheet, turned by a random angle: two arrays (extent, extent) in pixels."""
    angle = rng.uniform(0, math.pi)
    y, x = np.mgrid[:extent, :extent].astype(np.float32) - extent / 2
    return math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x


def _bands(u: np.ndarray, period: float, share: float = 0.5) -> np.ndarray:
    """1 on bands that fill `share` of each period, 0 between them, a soft step of two pixels at their edges."""
    away = np.abs((u / period) % 1 - 0.5) * period  # from the middle of a band
    return (share * period / 2 - away) / 2 + 0.5


def _mixed(cover: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return colours[0] + cover.clip(0, 1)[..., None] * (colours[1] - colours[0])


def _period(rng: np.random.Generator, low: float = 3) -> float:
    """A length in sheet pixels, fine to coarse: from `low` pixels of a frame at the widest view."""
    return FINE * float(np.exp(rng.uniform(math.log(low), math.log(40))))


def _stripes(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    u, _ = _plane(rng, extent)
    return _mixed(_bands(u, _period(rng), rng.uniform(0.25, 0.75)), colours)


def _waves(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    u, v = _plane(rng, extent)
    bend = rng.uniform(0, 0.3) * _period(rng) * np.sin(2 * math.pi * v / _period(rng, 12))
    return _mixed(0.5 + 0.5 * np.sin(2 * math.pi * (u + bend) / _period(rng, 4)), colours)


def _checks(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    u, v = _plane(rng, extent)
    side = 2 * _period(rng)
    a, b = _bands(u, side).clip(0, 1), _bands(v, side).clip(0, 1)
    return _mixed(a * (1 - b) + b * (1 - a), colours)


def _rings(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    u, v = _plane(rng, extent)
    x, y = rng.uniform(-extent / 3, extent / 3, 2)
    return _mixed(_bands(np.hypot(u - x, v - y), _period(rng)), colours)


def _weave(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """Threads that pass over and under each other, darker towards their edges."""
    u, v = (axis / _period(rng, 5) for axis in _plane(rng, extent))
    lies_over = ((np.floor(u) + np.floor(v)) % 2)[..., None]
    down, across = (colours[k] * np.sin(math.pi * (axis % 1))[..., None] ** 0.5 for k, axis in enumerate((u, v)))
    return lies_over * down + (1 - lies_over) * across


def _spectrum(rng: np.random.Generator, extent: int, slope: float, channels: int) -> np.ndarray:
    """Noise with amplitudes 1 / frequency^slope: (extent, extent, channels), mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(extent)[:, None], np.fft.rfftfreq(extent)) * extent
    frequency[0, 0] = 1
    white = np.fft.rfft2(rng.standard_normal((extent, extent, channels)), axes=(0, 1))
    noise = np.fft.irfft2(white / frequency[..., None] ** slope, (extent, extent), axes=(0, 1))
    return (noise - noise.mean()) / noise.std()


def _clouds(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """Fractal noise between two colours, with a little of its own in each channel."""
    slope = rng.uniform(0.9, 2)
    noise = _spectrum(rng, extent, slope, 1) + 0.3 * _spectrum(rng, extent, slope, 3)
    cover = 0.5 + rng.uniform(0.15, 0.4) * noise
    return colours[0] + cover.clip(0, 1) * (colours[1] - colours[0])


def _static(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """White noise of limited strength, in patches, on a smooth ground."""
    grain = int(rng.integers(FINE, 3 * FINE))
    cells = -(-extent // grain)
    noise = rng.standard_normal((cells, cells, 3 if rng.random() < 0.5 else 1)).repeat(grain, 0).repeat(grain, 1)
    where = _spectrum(rng, extent, 2.0, 1).clip(0, 1)
    return _gradient(rng, extent, colours) + rng.uniform(8, 35) * where * noise[:extent, :extent]


def _gradient(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    u, v = _plane(rng, extent)
    distance = u / extent + 0.5 if rng.random() < 0.6 else np.hypot(u, v) / extent * 1.5
    return _mixed(distance, colours)


def _cells(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """Voronoi cells: a point in each square of a grid, and the nearest of the points around (Worley 1996)."""
    side = _period(rng, 6)
    u, v = (axis / side for axis in _plane(rng, extent))
    count = math.ceil(1.5 * extent / side) + 6
    points, shades = rng.random((count, count, 2), np.float32), rng.random((count, count), np.float32)
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    nearest = second = np.full(u.shape, np.inf, np.float32)
    shade = np.zeros_like(u)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            at = (column + i + count // 2) % count, (row + j + count // 2) % count
            away = np.hypot(column + i + points[at][..., 0] - u, row + j + points[at][..., 1] - v)
            shade = np.where(away < nearest, shades[at], shade)
            second = np.minimum(second, np.maximum(away, nearest))
            nearest = np.minimum(nearest, away)
    seam = ((second - nearest) * side / 2 / rng.uniform(1, 3)).clip(0, 1)
    return _mixed(shade, colours) * seam[..., None]


def _leaves(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """Discs that hide each other, their radii r as r^-3: the statistics of natural pictures (Lee, Mumford 2001)."""
    sheet = _gradient(rng, extent, colours)
    smallest, largest = FINE * 1.5, extent / 3
    share = np.linspace(0, 1, 500) if extent <= 500 else np.linspace(0, 1, 900)
    radii = ((1 - share) * smallest**-2 + share * largest**-2) ** -0.5
    for radius in rng.permutation(radii):
        x, y = rng.uniform(0, extent, 2)
        top, left = max(0, int(y - radius - 1)), max(0, int(x - radius - 1))
        part = sheet[top : int(y + radius + 2), left : int(x + radius + 2)]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        cover = (radius - np.hypot(columns - x, rows - y) + 0.5).clip(0, 1)[..., None]
        part += cover * ((_mixed(np.array(rng.random()), colours) + rng.uniform(-50, 50, 3)).clip(0, 255) - part)
    return sheet


def _words(rng: np.random.Generator, count: int) -> str:
    if rng.random() < 0.3 and has_chinese():
        return "".join(rng.choice(CHINESE_WORDS, count))
    return " ".join(rng.choice(WORDS, count))


def _text(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """A page of text, at one of many sizes."""
    letter = int(FINE * np.exp(rng.uniform(math.log(7), math.log(30))))
    lines = [_words(rng, 2 + 3 * extent // (3 * letter)) for _ in range(2 + extent // letter)]
    page = lettering(lines, letter, str(rng.choice(list(STYLES))))[:extent, :extent]
    page = np.pad(page, ((0, extent - page.shape[0]), (0, extent - page.shape[1])))
    return _mixed(page, colours)


PATTERNS: dict[str, Callable[[np.random.Generator, int, np.ndarray], np.ndarray]] = {
    "stripes": _stripes,
    "waves": _waves,
    "checks": _checks,
    "rings": _rings,
    "weave": _weave,
    "clouds": _clouds,
    "static": _static,
    "gradient": _gradient,
    "cells": _cells,
    "discs": _leaves,
    "text": _text,
}


# --- what moves above ---


def _disc(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(u, v) - radius


def _ring(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.75 * radius) - radius / 4


def _square(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.8 * radius


def _bar(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(np.abs(u) - 1.3 * radius, np.abs(v) - 0.25 * radius)


def _triangle(u: np.ndarray, v: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(0.866 * np.abs(u) + 0.5 * v, -v) - radius / 2


# How far a point (u, v) lies outside the form, in pixels; negative inside.
FORMS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "bar": _bar,
    "triangle": _triangle,
}


def _flight(shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """A straight way through the picture: (frames, 2) in pixels from its middle, up to a sixth of a side a frame."""
    side = min(shot.size)
    way, speed = rng.uniform(0, 2 * math.pi), side * np.exp(rng.uniform(math.log(0.005), math.log(0.16)))
    middle = rng.uniform(-0.4, 0.4, 2) * shot.size
    course = np.arange(shot.num_frames) - shot.num_frames * rng.uniform(0.3, 0.7)
    return middle + speed * course[:, None] * np.array([math.cos(way), math.sin(way)])


def _flying(shot: Shot, form: str, rng: np.random.Generator) -> np.ndarray:
    """How much of each pixel the form covers in each frame: (frames, height, width). Its edges are one pixel soft."""
    width, height = shot.size
    radius = min(shot.size) * np.exp(rng.uniform(math.log(0.05), math.log(0.3)))
    x, y = _flight(shot, rng).T[:, :, None, None]
    angle = (rng.uniform(0, 6) + rng.uniform(-0.3, 0.3) * np.arange(shot.num_frames))[:, None, None]
    u, v = np.arange(width) - (width - 1) / 2 - x, (np.arange(height) - (height - 1) / 2)[:, None] - y
    turned = np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u
    return (0.5 - FORMS[form](*turned, radius)).clip(0, 1).astype(np.float32)


def _moving_words(shot: Shot, words: str, rng: np.random.Generator) -> np.ndarray:
    """As `_flying`, for words."""
    letter = int(FINE * min(shot.size) * rng.uniform(0.12, 0.4))
    mask = lettering([words], letter, str(rng.choice(list(STYLES))))
    middle = np.array(mask.shape[::-1]) / 2
    camera = np.column_stack([middle - FINE * _flight(shot, rng), np.ones(shot.num_frames), np.zeros(shot.num_frames)])
    return _filmed(mask[..., None], camera, shot.size, padding="zeros")[..., 0].clip(0, 1)


# --- the folder ---


def _video(folder: Path, shots: tuple[Shot, ...]) -> Path:
    one = sum(shot.num_frames for shot in shots) == 1
    return folder / "clips" / f"{shots[0].key[1]:06d}.{'png' if one else 'mkv'}"


def _write_clip(job: tuple[Path, tuple[Shot, ...]]) -> Path:
    path, shots = job
    return write(draw(shots), path)


def _write_captions(folder: Path, plans: list[tuple[Path, tuple[Shot, ...]]]) -> None:
    """One line for each clip that is there."""
    with whole_file(folder / "captions.jsonl") as file:
        for path, shots in plans:
            if path.exists():
                row = {"video": path.relative_to(folder).as_posix(), "caption": describe(shots)}
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
