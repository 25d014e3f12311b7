"""The causal video autoencoder: pixels to latents and back, 4 x 8 x 8 times smaller in time, height and width.

Latent frame 0 holds pixel frame 0 alone, latent frame j holds frames 4j-3 .. 4j; so an image is a one-frame video, and
nothing depends on frames that come later (the design of MAGVIT-v2, Yu et al. 2023, and Wan 2.1). Inside, the first
frame stands for a whole block of four equal ones, so one map serves images and videos.

The encoder is one matrix, a block of pixels to a voxel of the latent. The decoder is one matrix back, plus a
convolutional residual that starts at zero and learns. The matrices have a closed form (`closed_form.py`).
"""

from collections.abc import Iterable, Iterator

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from patchworld.shapes import Grid, Shape
from patchworld.vae.layers import ChannelNorm, Memory, ResidualBlock, fold, unfold

TIME, SPACE = 4, 8  # pixels a latent voxel spans


class AutoencoderConfig(BaseModel):
    """Sizes of an autoencoder: channels of its latent; channels and blocks of the decoder's residual."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent_channels: PositiveInt = 128
    width: PositiveInt = 128
    depth: PositiveInt = 4


class Decoder(nn.Module):
    """Latents to the residual of their blocks of pixels, (b, 3 * 4 * 8 * 8, f, h, w), folded as they are.

    It works at the resolution of the latent alone, where a voxel is worth a matrix product, and in kernels that are
    flat in time or in space (R(2+1)D, Tran et al. 2018, 1711.11248). Pixels are unfolded once, at the very end.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv3d(config.latent_channels, config.width, 1)
        self.blocks = nn.ModuleList(ResidualBlock(config.width) for _ in range(config.depth))
        self.norm = ChannelNorm(config.width)
        self.conv_out = nn.Conv3d(config.width, 3 * TIME * SPACE**2, 1)
        for parameter in self.conv_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, latent: Tensor, memory: Memory | None) -> Tensor:
        x = self.conv_in(latent)
        for block in self.blocks:
            x = block(x, memory)
        return self.conv_out(F.silu(self.norm(x)))


class Autoencoder(nn.Module):
    """Pixels in [-1, 1] to normalised latents and back, whole or streaming."""

    grid = Grid(TIME, SPACE)

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        block = 3 * TIME * SPACE**2
        self.to_latent = nn.Linear(block, config.latent_channels)
        self.to_pixels = nn.Linear(config.latent_channels, block)
        self.decoder = Decoder(config)
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stub forgets it

    @property
    def latent_channels(self) -> int:
        return self.config.latent_channels

    @property
    def reach(self) -> int:
        """How many latent frames decoding looks back: two for each block."""
        return 2 * self.config.depth

    def encode(self, pixels: Tensor, grid: Grid | None = None) -> Tensor:
        """Pixels (b, 3, f, h, w) in [-1, 1] to latents (b, c, 1 + (f-1)/4, h/8, w/8).

        A clip off the `grid` (by default the autoencoder's own) is continued with its last frame, row and column up
        to it.
        """
        return self.encode_chunk(pad(pixels, grid or self.grid), first=True)

    def decode(self, latent: Tensor, shape: Shape | None = None) -> Tensor:
        """Latents (b, c, f, h, w) to pixels in [-1, 1], cut to `shape` when one is given.

        Channels are ordered by what they are worth; where only the first ones are given, the rest stay at their mean.
        """
        return cut(self.decode_chunk(latent, None, first=True), shape)

    def pixel_power(self, channels: int) -> Tensor:
        """By how much one of the first `channels` changes the pixels of its block, squared, over their mean: (c,)."""
        power = self.to_pixels.weight[:, :channels].detach().float().square().sum(0)
        return power / power.mean()

    def linear_pixels(self, latent: Tensor, last: int = TIME) -> Tensor:
        """What the matrix alone makes of latent frames (f, c, h, w), less its mean: (f, 4, 3, 8 h, 8 w), a block each,
        or the `last` frames of each block; float32.

        Moves and mixtures of pixels are then moves and mixtures of latents: see `linear_latent`.
        """
        weight = _planes(self.to_pixels.weight[:, : latent.shape[1]])[-last * 3 * SPACE**2 :].to(latent.dtype)
        rows = F.linear(latent.permute(0, 2, 3, 1).contiguous(), weight).permute(0, 3, 1, 2)
        return F.pixel_shuffle(rows, SPACE).unflatten(1, (last, 3)).float()

    def linear_latent(self, pixels: Tensor, channels: int) -> Tensor:
        """The first `channels` of the latents of differences of blocks (f, 4, 3, h, w): (f, c, h / 8, w / 8)."""
        kernel = _planes(self.to_latent.weight[:channels].T).T.unflatten(1, (-1, SPACE, SPACE))
        return F.conv2d(pixels.flatten(1, 2), kernel.to(pixels.dtype), stride=SPACE)

    def encode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Encode a video that comes in pieces: 1 + 4k frames first, then multiples of 4; the result equals `encode`."""
        for number, pixels in enumerate(chunks):
            yield self.encode_chunk(pixels, first=number == 0)

    def decode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Decode latents that come in pieces of any number of latent frames; the result equals `decode`."""
        memory: Memory = {}
        for number, latent in enumerate(chunks):
            yield self.decode_chunk(latent, memory, first=number == 0)

    def encode_chunk(self, pixels: Tensor, *, first: bool) -> Tensor:
        """One piece of a video, in a size on the grid, to the latents of its blocks."""
        return self.to_latent(blocks(pixels, first=first)).permute(0, 4, 1, 2, 3).float()

    def decode_chunk(self, latent: Tensor, memory: Memory | None, *, first: bool) -> Tensor:
        """Some latent frames to their pixels: 4 frames each, 1 for the first of a video."""
        if missing := self.latent_channels - latent.shape[1]:
            latent = F.pad(latent, (0, 0, 0, 0, 0, 0, 0, missing))
        linear = self.to_pixels(latent.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        pixels = unfold(linear.float() + self.decoder(latent, memory), TIME, SPACE)
        return pixels[:, :, TIME - 1 :] if first else pixels


def blocks(pixels: Tensor, *, first: bool) -> Tensor:
    """Pixels (b, 3, f, h, w) on the grid as blocks, one for each voxel of the latent: (b, f', h', w', 768).

    The `first` frame of a video stands for four equal ones.
    """
    if first:
        pixels = torch.cat([pixels[:, :, :1].expand(-1, -1, TIME - 1, -1, -1), pixels], dim=2)
    return fold(pixels, TIME, SPACE).permute(0, 2, 3, 4, 1)


def _planes(rows: Tensor) -> Tensor:
    """Pixels of a block (768, ...) in the order of pictures, frame, colour, row, column; their own has colour last."""
    return rows.unflatten(0, (TIME, SPACE, SPACE, 3)).movedim(3, 1).flatten(0, 3)


def pad(pixels: Tensor, grid: Grid) -> Tensor:
    """Continue the last frame, row and column of (b, 3, f, h, w) until its shape divides into `grid`."""
    shape = Shape(*pixels.shape[2:])
    full = shape.padded(grid)
    margin = (0, full.width - shape.width, 0, full.height - shape.height, 0, full.frames - shape.frames)
    return F.pad(pixels, margin, mode="replicate") if any(margin) else pixels


def cut(pixels: Tensor, shape: Shape | None) -> Tensor:
    """The first frames, rows and columns of (b, 3, f, h, w)."""
    return pixels if shape is None else pixels[:, :, : shape.frames, : shape.height, : shape.width]
