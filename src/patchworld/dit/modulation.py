"""Adaptive layer norm for packed tokens, applied run by run.

Tokens of one latent frame mostly share their noise level and action, so the numbers that modulate them are computed
once a *run* of equal tokens, and spread by broadcasting. Looking them up token by token costs three times as much.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from patchworld.patches import Pack

MOST_GROUPS = 16  # beyond it, one gather is cheaper than many small operations


@dataclass(frozen=True)
class Runs:
    """Neighbouring tokens that share one row of a table.

    levels      (r,) the noise level of each run
    frames      (r,) the latent frame, counted over the whole pack, that each run lies in
    lengths     (r,) tokens of each run
    groups      (number of runs, their length) for neighbouring runs of equal length
    """

    levels: Tensor
    frames: Tensor
    lengths: Tensor
    groups: tuple[tuple[int, int], ...]

    def apply(self, function: Callable[..., Tensor], x: Tensor, *tables: Tensor) -> Tensor:
        """`function(x, *rows)` for every run, x (n, d) and tables (r, d); the function works token by token."""
        if len(self.groups) > MOST_GROUPS:
            index = torch.repeat_interleave(self.lengths.to(x.device))
            return function(x, *(table[index] for table in tables))
        rows, sizes = [count for count, _ in self.groups], [count * length for count, length in self.groups]
        pieces = zip(x.split(sizes), *(table.split(rows) for table in tables), strict=True)
        outputs = []
        for (count, length), (piece, *values) in zip(self.groups, pieces, strict=True):
            out = function(piece.unflatten(0, (count, length)), *(value[:, None] for value in values))
            outputs.append(out.flatten(0, 1))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def between(self, start: int, stop: int) -> tuple[slice, "Runs"]:
        """Of the tokens from `start` to `stop`: the rows of a table that concern them, and their runs."""
        ends = self.lengths.cumsum(0)
        inside = ends.clamp(start, stop) - (ends - self.lengths).clamp(start, stop)
        there = inside.nonzero()[:, 0]
        rows = slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 0)
        lengths = inside[rows]
        return rows, Runs(self.levels[rows], self.frames[rows], lengths, _groups(lengths))


def _groups(lengths: Tensor) -> tuple[tuple[int, int], ...]:
    """Neighbouring runs of equal length: how many, and their length; one group of nothing where there are no runs."""
    equal, counts = torch.unique_consecutive(lengths, return_counts=True)
    return tuple(zip(counts.tolist(), equal.tolist(), strict=True)) or ((0, 1),)


def find_runs(pack: Pack, level: Tensor) -> Runs:
    """The runs of a pack whose tokens have the noise levels `level` (n,)."""
    frame = torch.repeat_interleave(pack.frame_lengths)
    keys = torch.stack([frame.double(), level.detach().cpu().double()], dim=1)
    changes = (keys[1:] != keys[:-1]).any(1).nonzero()[:, 0] + 1
    starts = torch.cat([torch.zeros(1, dtype=torch.long), changes])
    lengths = torch.diff(starts, append=torch.tensor([len(keys)]))
    return Runs(level[starts.to(level.device)], frame[starts].to(level.device), lengths, _groups(lengths))
