"""What the autoencoder loses of a given frame is put back into the dreamed frames beside it, where nothing moves.

Given frames are copied, dreamed ones come out of the decoder: where they meet, texture that no latent holds would
vanish from one frame to the next, though the camera stands still. What was lost is known: the given frame less itself
as the decoder shows it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

FADES = 8.0  # of 255: a place that differs by so much from the given frame shows something else
AROUND = 9  # pixels: the side of the square over which that is judged


@dataclass(frozen=True)
class Anchor:
    """A frame that is given, and as the autoencoder decodes it: uint8 (height, width, 3) each."""

    given: np.ndarray
    decoded: np.ndarray

    def lost(self, frame: np.ndarray) -> np.ndarray:
        """What is missing in another decoded frame of the same things: float32 (height, width, 3).

        All that was lost of the given frame where the two are alike, fading to nothing where they differ by FADES.
        """
        change = np.abs(frame.astype(np.float32) - self.decoded).mean(2)
        near = F.avg_pool2d(torch.from_numpy(change)[None], AROUND, 1, AROUND // 2, count_include_pad=False)[0].numpy()
        alike = (1 - near / FADES).clip(min=0)
        return (self.given.astype(np.float32) - self.decoded) * alike[..., None]


def put_back(frame: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """A frame and what it misses, uint8."""
    return (frame + lost).round().clip(0, 255).astype(np.uint8)
