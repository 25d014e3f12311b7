"""What text is to the rest of the project: features of tokens, packed, and the interface of what makes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class TextTokens:
    """Features of the tokens of several prompts, one prompt after the other without padding.

    features: (m, d) floats. lengths: tokens of each prompt, each at least 1, m in sum.
    """

    features: Tensor
    lengths: tuple[int, ...]

    def split(self) -> tuple[Tensor, ...]:
        """The features of each prompt, (length, d)."""
        return self.features.split(self.lengths)


class TextEncoder(Protocol):
    """Reads prompts."""

    @property
    def width(self) -> int:
        """Numbers per token."""

    def __call__(self, prompts: Sequence[str], /) -> TextTokens:
        """Features of the tokens of each prompt; any text is accepted, and the empty one means "anything"."""


def by_length(lengths: Sequence[int]) -> dict[int, list[int]]:
    """Numbers of the prompts of each length: prompts of one length make a batch without padding and without a mask."""
    groups: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        groups.setdefault(length, []).append(number)
    return groups
