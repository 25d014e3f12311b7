"""The best linear autoencoder has a closed form: the principal components of the blocks of pixels."""

import torch
from torch import Tensor

from patchworld.vae.autoencoder import SPACE, TIME, Autoencoder
from patchworld.vae.layers import fold


class BlockStatistics:
    """Mean and covariance of blocks of 4 x 8 x 8 pixels, gathered clip by clip."""

    def __init__(self) -> None:
        size = 3 * TIME * SPACE**2
        self.count = 0
        self.total = torch.zeros(size, dtype=torch.float64)
        self.outer = torch.zeros(size, size, dtype=torch.float64)

    def add(self, pixels: Tensor) -> None:
        """Count the blocks of (b, 3, 1 + 4k, h, w) pixels in [-1, 1], on the grid."""
        first = pixels[:, :, :1].expand(-1, -1, TIME - 1, -1, -1)
        blocks = fold(torch.cat([first, pixels], dim=2), TIME, SPACE).permute(0, 2, 3, 4, 1).flatten(0, 3)
        self.count += len(blocks)
        self.total += blocks.sum(0).double()
        self.outer += (blocks.T @ blocks).double()

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
