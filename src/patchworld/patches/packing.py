"""Many clips of any shape as one sequence of tokens, without padding (Patch n' Pack, Dehghani et al. 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from patchworld.shapes import Shape


@dataclass(frozen=True)
class Pack:
    """Tokens of several clips, one after the other.

    tokens      (n, p) patches
    positions   (n, 3) seconds, y, x of each patch
    shapes      the token shape of each whole clip; clip i is a span of lengths[i] tokens
    kept        (n of the whole clips,) bool on the CPU, which of their tokens are here; None: all of them
    """

    tokens: Tensor
    positions: Tensor
    shapes: tuple[Shape, ...]
    kept: Tensor | None = None

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each clip."""
        whole = [shape.volume for shape in self.shapes]
        return tuple(whole if self.kept is None else _counts(self.kept, whole).tolist())

    @cached_property
    def whole(self) -> dict[Shape, list[int]]:
        """The numbers of the clips of which whole frames are here, by the shape of what is here: neighbours in time
        all, without a token missing among them. Clips of one shape can be computed as one batch.
        """
        found: dict[Shape, list[int]] = {}
        counts = self.frame_lengths.split([shape.frames for shape in self.shapes])
        for number, (shape, count) in enumerate(zip(self.shapes, counts, strict=True)):
            here = count.nonzero()[:, 0]
            if (count[here] == shape.height * shape.width).all() and here[-1] - here[0] == len(here) - 1:
                found.setdefault(Shape(len(here), shape.height, shape.width), []).append(number)
        return found

    @cached_property
    def frame_lengths(self) -> Tensor:
        """Tokens of each latent frame of each clip, (frames,) on the CPU; a frame may have lost all of them."""
        whole = [shape.height * shape.width for shape in self.shapes for _ in range(shape.frames)]
        return torch.tensor(whole) if self.kept is None else _counts(self.kept, whole)

    @cached_property
    def frame_clips(self) -> Tensor:
        """Which clip each latent frame belongs to, (frames,) on the CPU."""
        return torch.repeat_interleave(torch.tensor([shape.frames for shape in self.shapes]))

    def with_tokens(self, tokens: Tensor) -> "Pack":
        """The same places with other contents."""
        return replace(self, tokens=tokens)

    def keep(self, kept: Tensor) -> "Pack":
        """The pack with only those tokens of its whole clips for which `kept`, (n,) bool on the CPU, is true.

        A token brings its own position, so the others need not be there; every clip keeps at least one.
        """
        assert self.kept is None, "tokens are dropped from whole clips"
        here = kept.to(self.tokens.device)
        return replace(self, tokens=self.tokens[here], positions=self.positions[here], kept=kept)

    def joined(self, other: "Pack") -> "Pack":
        """These clips and then those of `other`."""
        tokens, positions = torch.cat([self.tokens, other.tokens]), torch.cat([self.positions, other.positions])
        kept = None
        if self.kept is not None or other.kept is not None:
            kept = torch.cat([_all_kept(each) if each.kept is None else each.kept for each in (self, other)])
        return Pack(tokens, positions, self.shapes + other.shapes, kept)

    def to(self, device: torch.device | str) -> "Pack":
        return replace(self, tokens=self.tokens.to(device), positions=self.positions.to(device))


def pack(tokens: Sequence[Tensor], positions: Sequence[Tensor], shapes: Sequence[Shape]) -> Pack:
    """Put clips together: each has tokens (n_i, p), positions (n_i, 3) and a token shape."""
    return Pack(torch.cat(list(tokens)), torch.cat(list(positions)), tuple(shapes))


def _all_kept(pack: Pack) -> Tensor:
    return torch.ones(len(pack.tokens), dtype=torch.bool)


def _counts(kept: Tensor, whole: list[int]) -> Tensor:
    """How many of each span of `whole` tokens are kept."""
    return torch.stack([part.sum() for part in kept.split(whole)])


def unpack(values: Tensor, packed: Pack) -> tuple[Tensor, ...]:
    """Values of every token, (n, ...), as one tensor a clip."""
    return values.split(packed.lengths)
