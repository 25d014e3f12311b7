"""The visible label: words in a corner of the picture."""

from functools import lru_cache

import numpy as np

from patchworld.video.lettering import lettering

TEXT, SHORT = "AI generated", "AI"
LEAST, SHARE = 8, 0.05  # height of the letters: pixels, and of the shorter side of the picture


def labelled(frame: np.ndarray) -> np.ndarray:
    """A frame, uint8 (height, width, 3), with the label at its bottom left; drawn twice it is the same."""
    plate = _plate(frame.shape[0], frame.shape[1])
    frame = frame.copy()
    frame[-plate.shape[0] :, : plate.shape[1]] = plate
    return frame


@lru_cache(maxsize=16)
def _plate(height: int, width: int) -> np.ndarray:
    """White letters on black, uint8 (rows, columns, 3), no larger than the picture."""
    letters = max(LEAST, round(SHARE * min(height, width)))
    mask = lettering([TEXT], letters)
    if mask.shape[1] + 4 > width:
        mask = lettering([SHORT], letters)
    mask = np.pad(mask, 2)[:height, :width]
    return np.repeat((255 * mask[:, :, None]).astype(np.uint8), 3, axis=2)
