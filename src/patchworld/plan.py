"""What of a canvas is dreamed together, and in what order.

Frames that are given whole are copied. The others lie in *stretches*: each is encoded and dreamed by itself, with as
many given frames around it as help. A stretch that is long is dreamed in *windows*, one after the other, each seeing
some of what was made before. So the length of a canvas costs time, but no memory.
"""

from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np

from patchworld.canvas import Canvas


@dataclass(frozen=True)
class Stretch:
    """Frames `first` to `last` (exclusive) of a canvas, dreamed with what is given around them, `start` to `stop`.

    `start` may be negative: what is dreamed before frame 0 is dropped.
    """

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Window:
    """Token frames of a stretch that are dreamed at once, and those the denoiser sees meanwhile, ends exclusive."""

    first: int
    last: int
    start: int
    stop: int


def find_stretches(canvas: Canvas, step: int, around: int) -> list[Stretch]:
    """The stretches of a canvas in order of time, with up to `around` given frames on either side.

    A block holds `step` frames, the first of a stretch one frame. A block that is given in part repeats what it is
    given, so the first dreamed frame begins a block; or, where nothing is before it, the first given one after it.
    """
    given = canvas.given()
    if canvas.circular:  # it begins with what is given, which comes again after the last frame
        found = _in_shot(np.concatenate([given, given]), step, around, merge=1)
        return [stretch for stretch in found if stretch.first < canvas.frames]
    found = []
    for begin, end in zip((0, *canvas.cuts), (*canvas.cuts, canvas.frames), strict=True):
        for stretch in _in_shot(given[begin:end], step, around, merge=around):
            places = (begin + frame for frame in astuple(stretch))
            found.append(Stretch(max(begin, next(places)) if begin else next(places), *places))
    return found


def _in_shot(given: np.ndarray, step: int, around: int, merge: int) -> list[Stretch]:
    """The stretches of one shot, counted from its first frame; those less than `merge` frames apart are one."""
    runs = _runs(given, merge)
    ends = [0, *(last for _, last in runs)]
    begins = [*(first for first, _ in runs), len(given)]
    found = []
    for number, (first, last) in enumerate(runs):
        after = min(around, begins[number + 1] - last)
        if before := min(around, first - ends[number]):
            start = first - 1 - (before - 1) // step * step
        else:
            start = first - (1 - (last - first)) % step if after else first
        found.append(Stretch(start, last + after, first, last))
    return found


def find_windows(stretch: Stretch, step: int, most: int, history: int) -> list[Window]:
    """The windows of a stretch: each makes at most `most` token frames, and sees `history` others beside them.

    Windows go from what is given into the open: forwards, and backwards where something is given at the end alone.
    Between two ends they are of equal length; the last one sees both. Going backwards, a window has to dream one token
    frame more: the first of a video is unlike the others, so it is used for its neighbours' sake and dropped.
    """
    total = 1 + -(-(stretch.stop - stretch.start - 1) // step)
    first = -(-(stretch.first - stretch.start) // step)
    last = 1 + -(-(stretch.last - 1 - stretch.start) // step)
    backwards = first == 0 and last < total
    count = -(-(last - first) // most)
    if last < total:
        edges = [round(value) for value in np.linspace(first, last, count + 1)]
    else:
        edges = [*range(first, last, most), last]
    parts = list(pairwise(edges))
    if backwards:
        return [Window(a, b, max(0, a - 1), min(total, b + history)) for a, b in reversed(parts)]
    return [Window(a, b, max(0, a - history), total if b == last else b) for a, b in parts]


def _runs(given: np.ndarray, merge: int) -> list[tuple[int, int]]:
    """Runs of frames that are not given, those less than `merge` frames apart as one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], given, [True]]).astype(int)))
    runs: list[tuple[int, int]] = []
    for first, last in edges.reshape(-1, 2).tolist():
        if runs and first - runs[-1][1] < merge:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs
