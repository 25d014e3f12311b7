"""How well a video holds together where something given meets something dreamed: jumps at its joins.

Three figures for the step from one frame to the next, each of which is small in a steady video:
motion      how much the optical flow changes, as a mean over the picture, in percent of its width
brightness  how much the mean luma (ITU-R BT.601) changes, of 255
identity    what moving things along the flow does not explain: the mean CIE76 colour difference (Lab, CIE 1976) between
            a frame and the one before it, moved

The jumps at a join are put beside the 95th percentile of those inside what is given, which is real, or, where that has
fewer than FEWEST steps, of all steps that are no join.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from patchworld.errors import missing_extra

FEWEST = 8  # steps that a percentile is taken of
SHORTEST_SIDE = 128  # pixels: flow finds little in smaller pictures, so those are enlarged
FIGURES = ("motion", "brightness", "identity")


@dataclass(frozen=True)
class Seam:
    """The jumps at the join before `frame`, and the 95th percentile of those elsewhere: FIGURES in order, (3,) each."""

    frame: int
    jumps: np.ndarray
    usual: np.ndarray

    def __str__(self) -> str:
        figures = zip(FIGURES, self.jumps, self.usual, strict=True)
        return f"join at frame {self.frame}: " + ", ".join(f"{n} {a:.2f} (usual {b:.2f})" for n, a, b in figures)


class SeamReport:
    """Measures the joins of a video that comes frame by frame.

    joins: the frames before which something joins; 0 is the join from the last to the first. given: (frames,) bool.
    """

    def __init__(self, joins: Sequence[int], given: np.ndarray) -> None:
        try:
            import cv2
        except ImportError:
            raise missing_extra("OpenCV", "report") from None
        self._cv2 = cv2
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self.joins, self.given = list(joins), given
        self._first: list[np.ndarray] = []
        self._before: np.ndarray | None = None
        self._moved: np.ndarray | None = None  # the flow of the step before
        self._jumps: list[np.ndarray] = []  # of the step to each frame, (3,); the first frame has none

    def add(self, frame: np.ndarray) -> None:
        """Measure the step to the next frame, uint8 (height, width, 3)."""
        if len(self._first) < 2:
            self._first.append(frame)
        scale = max(1.0, SHORTEST_SIDE / min(frame.shape[:2]))
        size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
        frame = self._cv2.resize(frame, size, interpolation=self._cv2.INTER_CUBIC) if scale > 1 else frame
        if self._before is not None:
            self._jumps.append(self._step(self._before, frame))
        self._before = frame

    def _step(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        cv2 = self._cv2
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
        # From where a point is back to where it was, so that the frame before can be moved along.
        flow = np.asarray(self._flow.calc(grey[1], grey[0], np.zeros((*grey[0].shape, 2), np.float32)))
        places = np.indices(grey[0].shape, dtype=np.float32)
        moved = cv2.remap(
            before,
            places[1] + flow[..., 0],
            places[0] + flow[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        lab = [cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for frame in (moved, after)]
        change = np.zeros(2) if self._moved is None else flow - self._moved
        self._moved = flow
        motion = 100 * np.linalg.norm(change, axis=-1).mean() / flow.shape[1]
        brightness = abs(float(grey[1].mean()) - float(grey[0].mean()))
        return np.array([motion, brightness, np.linalg.norm(lab[1] - lab[0], axis=-1).mean()])

    def seams(self) -> list[Seam]:
        """The joins, after the last frame. Flow changes on the way into a join and out of it: the larger counts."""
        frames = len(self._jumps) + 1
        if 0 in self.joins:
            for frame in self._first:
                self.add(frame)
        jumps = np.array([np.zeros(3), *self._jumps])  # of the step to frame k, in row k
        joins = [join or frames for join in self.joins if join < frames]
        inside = np.ones(frames, bool)
        inside[:2] = False  # nothing moved before
        inside[[k for join in joins for k in (join, join + 1) if k < frames]] = False
        real = inside & self.given[:frames]
        real[1:] &= self.given[: frames - 1]
        chosen = real if real.sum() >= FEWEST else inside
        usual = np.percentile(jumps[:frames][chosen], 95, axis=0) if chosen.any() else np.full(3, np.nan)
        seams = []
        for join in joins:
            there = jumps[join].copy()
            there[0] = jumps[join : join + 2, 0].max()
            seams.append(Seam(join % frames, there, usual))
        return seams

    def lines(self) -> list[str]:
        return [str(seam) for seam in self.seams()] or ["no joins to measure"]
