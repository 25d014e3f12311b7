"""The Fréchet distance between two sets of clips, on features of this project.

A clip is described by the mean and the standard deviation of each of the first latent channels that the autoencoder
which comes with patchworld makes of it. The distance is not FVD, which has features of its own, and says something
only beside others that were measured with the same autoencoder.
"""

from functools import lru_cache

import numpy as np
import torch

from patchworld.shapes import Grid
from patchworld.vae import Autoencoder, encode_clip
from patchworld.video import Clip

CHANNELS = 32  # of the latent: the first ones, which say most


def features(clip: Clip) -> np.ndarray:
    """Mean and standard deviation of each channel over a clip: (2 * CHANNELS,)."""
    autoencoder = _autoencoder()
    with torch.no_grad():
        latent = encode_clip(autoencoder, clip, autoencoder.grid * Grid(1, 1))[:CHANNELS].flatten(1).double()
    return torch.cat([latent.mean(1), latent.std(1)]).numpy()


@lru_cache(maxsize=1)
def _autoencoder() -> Autoencoder:
    from patchworld.model import DEFAULT, load_autoencoder

    return load_autoencoder(DEFAULT)


def frechet_distance(one: np.ndarray, two: np.ndarray) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the means and covariances of features (n, d) (Dowson and Landau
    1982; on features of pictures: Heusel et al. 2017, equation 6).
    """
    apart = ((one.mean(0) - two.mean(0)) ** 2).sum()
    first, second = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    # (C1 C2)^(1/2) has the trace of (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric.
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(apart + np.trace(first) + np.trace(second) - 2 * mixed)
