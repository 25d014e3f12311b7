"""Reading a clip: which coloured things are where in every frame, and what the props look like."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from patchworld.errors import missing_extra
from patchworld.playroom.scene import COLOURS
from patchworld.scorecard.shapes import features, nearest_shape
from patchworld.scorecard.sight import LABELS, Setting, find_setting, label
from patchworld.video import Clip

SMALLEST = 0.004  # share of the squared shorter side that counts as a thing

THICK = 0.2  # share of a thing's pixels with neighbours on four sides: edges where two colours mix are thin
PUFF = 0.018  # share of the squared shorter side: a white patch below it, where a candle is, is a puff of air
PROP_LABELS = {"wall": ("wall",), "ramp": ("ramp",), "pie": ("filling", "crust"), "candle": ("wax", "flame")}
WHITE_BESIDE = ("crust", "filling", "lip", "wax", "dish", "flame")  # where white is no thing of its own


@dataclass(frozen=True, eq=False)
class Blob:
    """A connected patch of one colour in one frame. Lengths in pixels, x to the right, y down."""

    colour: str
    area: int
    x: float
    y: float
    left: int
    top: int
    right: int
    bottom: int
    mask: np.ndarray
    pixels: np.ndarray

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @cached_property
    def features(self) -> np.ndarray:
        """What its shape is read from."""
        return features(self.mask, self.pixels)

    @cached_property
    def shape(self) -> tuple[str, float]:
        """Ball, cube or cylinder, and how sure that is, 0 to 1."""
        return nearest_shape(self.features)


@dataclass(frozen=True, eq=False)
class Reading:
    """What the referee sees in a clip: its setting, labels (f, h, w) and the coloured blobs of each frame."""

    clip: Clip
    setting: Setting
    labels: np.ndarray

    @property
    def side(self) -> int:
        """The shorter side in pixels, by which lengths are measured."""
        return min(self.clip.size)

    @cached_property
    def blobs(self) -> list[list[Blob]]:
        """The things of each frame, the largest first."""
        return [self._things(frame) for frame in range(len(self.labels))]

    def _things(self, frame: int) -> list[Blob]:
        found = [blob for colour in COLOURS for blob in self.patches(frame, colour)]
        if any(blob.colour == "white" for blob in found):  # plates, teeth, puffs and highlights on wax are white too
            props = self.patches(frame, *WHITE_BESIDE)
            puff = PUFF * self.side**2 if props else 0
            found = [b for b in found if b.colour != "white" or not (b.area < puff or _inside(b, props))]
        return sorted(found, key=lambda blob: -blob.area)

    def shape(self, colour: str, frames: range) -> str | None:
        """The shape that the largest things of a colour have in `frames`: the frames vote, each by how sure it is."""
        votes: dict[str, float] = {}
        for blob in (blob for f in frames for blob in self.of(colour, f)[:1]):
            width, height = self.clip.size
            free = min(blob.left, blob.top, width - blob.right, height - blob.bottom) > 0
            shape, sure = blob.shape
            votes[shape] = votes.get(shape, 0.0) + sure * (1.0 if free else 0.1)
        return max(votes, key=lambda name: votes[name]) if votes else None

    def props(self, frame: int, kind: str) -> list[Blob]:
        """The walls, ramps, pies or candles of a frame, the largest first."""
        return self.patches(frame, *PROP_LABELS[kind])

    def patches(self, frame: int, *names: str) -> list[Blob]:
        """The patches of `frame` that show one of the labels `names`."""
        mask = np.isin(self.labels[frame], [LABELS.index(name) for name in names])
        smallest = max(10, SMALLEST * self.side**2)
        return find_patches(mask, self.clip.frames[frame], names[0], smallest)

    def of(self, colour: str, frame: int) -> list[Blob]:
        """The things of a colour in a frame, the largest first."""
        return [blob for blob in self.blobs[frame] if blob.colour == colour]

    def colours(self, frames: range) -> set[str]:
        """The colours of which most of `frames` show a thing."""
        seen = Counter(colour for f in frames for colour in {blob.colour for blob in self.blobs[f]})
        return {colour for colour, times in seen.items() if times > len(frames) / 2}


def read(clip: Clip) -> Reading:
    """Look at every pixel of a clip."""
    setting = find_setting(clip)
    return Reading(clip, setting, label(clip.frames, setting))


def _inside(patch: Blob, props: list[Blob]) -> bool:
    """Whether most of the box of a patch is within the box around props, so that it may be a part of them."""
    if not props:
        return False
    across = min(patch.right, max(p.right for p in props) + 2) - max(patch.left, min(p.left for p in props) - 2)
    down = min(patch.bottom, max(p.bottom for p in props) + 2) - max(patch.top, min(p.top for p in props) - 2)
    return max(across, 0) * max(down, 0) > 0.6 * patch.width * patch.height


def find_patches(mask: np.ndarray, picture: np.ndarray, name: str, smallest: float) -> list[Blob]:
    """The connected parts of a mask (h, w) of at least `smallest` pixels, the largest first."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise missing_extra("scipy", "score") from error
    if mask.sum() < smallest:
        return []
    numbers, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        part = numbers[box] == number
        area = int(part.sum())
        if area < smallest or ndimage.binary_erosion(part).sum() < THICK * area:
            continue
        part = ndimage.binary_fill_holes(part)
        rows, columns = np.nonzero(part)
        top, left = box[0].start, box[1].start
        x, y = left + columns.mean() + 0.5, top + rows.mean() + 0.5
        found.append(Blob(name, area, float(x), float(y), left, top, box[1].stop, box[0].stop, part, picture[box]))
    return sorted(found, key=lambda blob: -blob.area)
