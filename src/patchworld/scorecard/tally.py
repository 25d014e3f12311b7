"""Counting answers: shares with their 95 % intervals, for all prompts and for each split."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from patchworld.scorecard.examination import Result

Z95 = 1.959964


@dataclass(frozen=True)
class Share:
    """`right` of `asked` answers."""

    right: int
    asked: int

    @property
    def value(self) -> float:
        return self.right / self.asked if self.asked else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson 1927: unlike mean plus or minus two errors it is right near 0 and 1."""
        if not self.asked:
            return 0.0, 1.0
        n, p, z = self.asked, self.value, Z95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:4.0%} ({low:.0%}-{high:.0%})" if self.asked else "-"


Counts = dict[str, dict[str, Share]]
"""question -> column -> share"""


def count(results: Iterable[Result]) -> Counts:
    """For each question and column how many answers are right."""
    counts: Counts = {}
    for result in results:
        for column, answers in result.answers.items():
            for question, answer in answers.items():
                row = counts.setdefault(question, {})
                before = row.get(column, Share(0, 0))
                row[column] = Share(before.right + answer.right, before.asked + 1)
    return counts


def mean(counts: Counts, column: str) -> float:
    """The mean over the questions that a column was asked."""
    values = [row[column].value for row in counts.values() if column in row]
    return sum(values) / len(values) if values else math.nan


def count_splits(results: list[Result], column: str) -> Counts:
    """For each question and split how many answers of one column are right."""
    names = sorted({split for result in results for split in result.prompt.splits})
    counts: Counts = {}
    for name in names:
        for question, row in count(r for r in results if name in r.prompt.splits).items():
            if column in row:
                counts.setdefault(question, {})[name] = row[column]
    return counts
