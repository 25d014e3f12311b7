"""The layers of the autoencoder: convolutions that look only back in time, and folds that move pixels into channels.

Everything runs in channels-last memory order, where 3x3x3 convolutions reach the speed of matrix products on a CPU.
A layer that needs the past takes it from `memory`, so that a video goes through chunk by chunk with the same result
as in one piece. No layer normalises across time or space: that would make a frame depend on later ones.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

Memory = dict[nn.Module, Tensor]
"""What each causal layer keeps of the frames before the current chunk. A new video starts with an empty one."""


def fold(x: Tensor, time: int, space: int) -> Tensor:
    """Move blocks of time x space x space voxels into channels: (b, c, f*t, h*s, w*s) to (b, t*s*s*c, f, h, w)."""
    folded = rearrange(x, "b c (f t) (h p) (w q) -> b f h w (t p q c)", t=time, p=space, q=space)
    return folded.permute(0, 4, 1, 2, 3)  # channels last in memory


def unfold(x: Tensor, time: int, space: int) -> Tensor:
    """The inverse of `fold`."""
    unfolded = rearrange(x, "b (t p q c) f h w -> b (f t) (h p) (w q) c", t=time, p=space, q=space)
    return unfolded.permute(0, 4, 1, 2, 3)


Kernel = tuple[int, int, int]
"""Frames, rows and columns that one output of a convolution sees, odd in the last two."""


class CausalConv3d(nn.Module):
    """A convolution whose output at a frame sees that frame and those before it."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Kernel = (3, 3, 3), *, zero: bool = False) -> None:
        """`zero` starts with an output of zero."""
        super().__init__()
        self.past = kernel[0] - 1  # frames before its own
        self.conv = nn.Conv3d(in_channels, out_channels, kernel, padding=(0, kernel[1] // 2, kernel[2] // 2))
        if zero:
            for parameter in self.conv.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        if not self.past:
            return self.conv(x)
        past = None if memory is None else memory.get(self)
        x = F.pad(x, (0, 0, 0, 0, self.past, 0)) if past is None else torch.cat([past, x], dim=2)
        if memory is not None:
            memory[self] = x[:, :, -self.past :].clone(memory_format=torch.channels_last_3d)
        return self.conv(x)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each voxel on its own (Ba et al. 2016): one pass over memory on a CPU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        last = x.permute(0, 2, 3, 4, 1)
        weight, bias = self.weight.to(last.dtype), self.bias.to(last.dtype)
        return F.layer_norm(last, last.shape[-1:], weight, bias).permute(0, 4, 1, 2, 3)


class ResidualBlock(nn.Module):
    """Two causal convolutions added to their input; starts as the identity."""

    def __init__(self, channels: int, first: Kernel = (3, 3, 3), second: Kernel = (3, 3, 3)) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.conv1 = CausalConv3d(channels, channels, first)
        self.norm2 = ChannelNorm(channels)
        self.conv2 = CausalConv3d(channels, channels, second, zero=True)

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)), memory)
        return x + self.conv2(F.silu(self.norm2(h)), memory)
