"""What a judge says about one question and one clip."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Whether the clip is right, what was wanted, what was seen, and for some questions a measured number."""

    right: bool
    wanted: str
    seen: str
    value: float | None = None


def joined(words: Iterable[str]) -> str:
    """Words for a person to read."""
    return ", ".join(sorted(words)) or "nothing"
