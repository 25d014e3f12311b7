"""The layers of the autoencoder: convolutions that look only back in time, and folds that move pixels into channels.

Everything runs in channels-last memory order, where convolutions reach the speed of matrix products on a CPU.
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


class CausalConv3d(nn.Module):
    """A 3x1x1 convolution whose output at a frame sees that frame and the two before it; starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, (3, 1, 1))
        for parameter in self.conv.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        past = None if memory is None else memory.get(self)
        x = F.pad(x, (0, 0, 0, 0, 2, 0)) if past is None else torch.cat([past, x], dim=2)
        if memory is not None:
            memory[self] = x[:, :, -2:].clone(memory_format=torch.channels_last_3d)
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
    """A convolution in space and one in time, added to their input (R(2+1)D, Tran et al. 2018, 1711.11248); starts as
    the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.conv1 = nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1))
        self.norm2 = ChannelNorm(channels)
        self.conv2 = CausalConv3d(channels)

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)), memory)
