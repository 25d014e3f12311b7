"""In which order samples are seen: a pure function of the seed and the step."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping
from threading import Lock

import torch


def generator(seed: int, *stream: int) -> torch.Generator:
    """A random generator for one purpose at one step: equal arguments, equal numbers."""
    digest = hashlib.blake2b(repr((seed, *stream)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)


Packs = list[list[int]]


class PackOrder:
    """Packs of samples that fill a budget of tokens, epoch after epoch; every sample is seen once an epoch."""

    def __init__(self, lengths: Callable[[int], Mapping[int, int]], budget: int, *stream: int) -> None:
        """`lengths(epoch)` are the tokens of every sample in that epoch, `stream` the seed and what else tells apart
        this order from others.
        """
        self.lengths, self.budget, self.stream = lengths, budget, stream
        self.first_packs = [0]  # of each epoch whose packs have been counted
        self.epoch: tuple[int, Packs] = (-1, [])  # the one in use
        self.lock = Lock()  # threads ask side by side, and the first to ask in an epoch makes its packs

    def __getitem__(self, number: int) -> tuple[int, list[int]]:
        """The epoch and the samples of a pack, sorted by length, so that clips of equal shape are neighbours."""
        with self.lock:
            while self.first_packs[-1] <= number:
                self.first_packs.append(self.first_packs[-1] + len(self._packs(len(self.first_packs) - 1)))
            epoch = bisect_right(self.first_packs, number) - 1
            return epoch, self._packs(epoch)[number - self.first_packs[epoch]]

    def _packs(self, epoch: int) -> Packs:
        if self.epoch[0] != epoch:
            self.epoch = (epoch, packs_of_epoch(self.lengths(epoch), self.budget, generator(*self.stream, epoch)))
        return self.epoch[1]


def packs_of_epoch(lengths: Mapping[int, int], budget: int, generator: torch.Generator, most_open: int = 16) -> Packs:
    """All samples, shuffled, in packs of at most `budget` tokens; a sample above the budget is a pack of its own.

    Each goes where it leaves the least room (best fit), and the fullest pack closes when too many are open. When the
    epoch ends, nothing more comes to fill the open ones, so their samples are packed again, the longest first.
    """
    names = list(lengths)
    shuffled = [names[place] for place in torch.randperm(len(names), generator=generator).tolist()]
    closed, opened = _best_fit(shuffled, lengths, budget, most_open)
    rest = sorted((sample for pack in opened for sample in pack), key=lambda sample: -lengths[sample])
    _, again = _best_fit(rest, lengths, budget, len(rest))
    packs = closed + min(opened, again, key=len)
    return [sorted(pack, key=lambda sample: (lengths[sample], sample)) for pack in packs]


def _best_fit(samples: list[int], lengths: Mapping[int, int], budget: int, most_open: int) -> tuple[Packs, Packs]:
    """Closed packs and those still open, in the order in which they were closed and opened."""
    closed: Packs = []
    opened: list[tuple[int, list[int]]] = []  # room left, samples
    for sample in samples:
        length = lengths[sample]
        fitting = [place for place, (room, _) in enumerate(opened) if length <= room]
        if fitting:
            best = min(fitting, key=lambda place: opened[place][0])
            room, pack = opened[best]
            opened[best] = (room - length, [*pack, sample])
        else:
            opened.append((budget - length, [sample]))
            if len(opened) > most_open:
                fullest = min(range(len(opened)), key=lambda place: opened[place][0])
                closed.append(opened.pop(fullest)[1])
    return closed, [pack for _, pack in opened]
