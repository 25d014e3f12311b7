"""What of the autoencoder has a closed form.

The best linear autoencoder is the principal components of the blocks of pixels; the best linear decoder for latents
that are given is least squares.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from patchworld.vae.autoencoder import SPACE, TIME, Autoencoder, blocks

ROUNDS = 3  # of reweighting; the mean logarithm changed by 0.00002 in the last


class BlockStatistics:
    """Mean and covariance of blocks of 4 x 8 x 8 pixels, gathered clip by clip."""

    def __init__(self) -> None:
        size = 3 * TIME * SPACE**2
        self.count = 0
        self.total = torch.zeros(size, dtype=torch.float64)
        self.outer = torch.zeros(size, size, dtype=torch.float64)

    def add(self, pixels: Tensor) -> None:
        """Count the blocks of (b, 3, 1 + 4k, h, w) pixels in [-1, 1], on the grid."""
        rows = blocks(pixels, first=True).flatten(0, 3)
        self.count += len(rows)
        self.total += rows.sum(0).double()
        self.outer += (rows.T @ rows).double()

    def components(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (p,), standard deviations (p,) in falling order, and directions (p, p), one a column."""
        mean = self.total / self.count
        values, directions = torch.linalg.eigh(self.outer / self.count - torch.outer(mean, mean))
        return mean, values.flip(0).clamp(min=1e-12).sqrt(), directions.flip(1)


def start_from_components(autoencoder: Autoencoder, statistics: BlockStatistics, spectrum: float = 0.5) -> None:
    """Set the linear maps of `autoencoder` to the principal components of the gathered blocks.

    Channel i of the latent is component i divided by its standard deviation to the power 1 - `spectrum`: 1 keeps the
    natural spectrum, 0 whitens it. All channels are then scaled together to a mean variance of one. Whitened latents
    reconstruct as well, but a transformer learns them far more slowly (docs/log.md), so we stay between.
    """
    mean, deviation, directions = statistics.components()
    channels = autoencoder.latent_channels
    deviation, directions = deviation[:channels], directions[:, :channels]
    scale = deviation ** (spectrum - 1)
    scale = scale / ((scale * deviation) ** 2).mean().sqrt()
    with torch.no_grad():
        encode = directions.T * scale[:, None]
        autoencoder.to_latent.weight.copy_(encode)
        autoencoder.to_latent.bias.copy_(-encode @ mean)
        autoencoder.to_pixels.weight.copy_(directions / scale)
        autoencoder.to_pixels.bias.copy_(mean)


@torch.no_grad()
def fit_linear_decoder(autoencoder: Autoencoder, crops: Iterable[Tensor], *, noise: float, floor: float) -> None:
    """Set the linear half of the decoder to the best one for its latents, beside the residual as it is.

    Of `crops` (1, 3, 1 + 4k, h, w) in [-1, 1], on the grid, it minimises the mean logarithm of squared error + `floor`:
    least squares, in which each crop is weighted by one over its last squared error. Unweighted, hard crops would take
    all. `noise` is the standard deviation, in every channel, that normalised latents will have on top.
    """
    moments = [_moments(autoencoder, pixels, noise) for pixels in crops]
    weights = [1.0] * len(moments)
    for _ in range(ROUNDS):
        inputs = sum(weight * each.double() for weight, (each, _, _) in zip(weights, moments, strict=True))
        products = sum(weight * each.double() for weight, (_, each, _) in zip(weights, moments, strict=True))
        best = torch.linalg.solve(inputs, products).float()  # (c + 1, p): the last row is the bias
        errors = [((best * (a @ best - 2 * b)).sum() / b.shape[1]).item() + square for a, b, square in moments]
        weights = [1 / (max(error, 0.0) + floor) for error in errors]
    autoencoder.to_pixels.weight.copy_(best[:-1].T)
    autoencoder.to_pixels.bias.copy_(best[-1])


def _moments(autoencoder: Autoencoder, pixels: Tensor, noise: float) -> tuple[Tensor, Tensor, float]:
    """Of the voxels of a crop: the mean outer product (c + 1, c + 1) of latents and a one, that with what the residual
    leaves of the pixels (c + 1, p), and the mean square of the latter.
    """
    latent = autoencoder.encode(pixels)
    rows = torch.cat([_rows(latent), torch.ones(latent[0, 0].numel(), 1, device=latent.device)], dim=1)
    left = blocks(pixels, first=True).flatten(0, 3) - _rows(autoencoder.decoder(latent, None))
    inputs = rows.T @ rows / len(rows)
    inputs.diagonal()[:-1] += noise**2
    return inputs, rows.T @ left / len(rows), left.square().mean().item()


def _rows(x: Tensor) -> Tensor:
    """The voxels of (b, c, f, h, w), one a row."""
    return x.permute(0, 2, 3, 4, 1).flatten(0, 3)
