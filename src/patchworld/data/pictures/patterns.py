"""Sheets drawn by code: stripes, clouds, cells, pages of text."""

import math
from collections.abc import Callable

import numpy as np

from patchworld.data.pictures.camera import FINE
from patchworld.data.pictures.words import some_words
from patchworld.video.lettering import STYLES, lettering


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


def _text(rng: np.random.Generator, extent: int, colours: np.ndarray) -> np.ndarray:
    """A page of text, at one of many sizes."""
    letter = int(FINE * np.exp(rng.uniform(math.log(7), math.log(30))))
    lines = [some_words(rng, 2 + 3 * extent // (3 * letter)) for _ in range(2 + extent // letter)]
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
