"""In which order samples are seen: a pure function of the seed and the step."""

import hashlib
from bisect import bisect_right

import torch


def generator(seed: int, *stream: int) -> torch.Generator:
    """A random generator for one purpose at one step: equal arguments, equal numbers."""
    digest = hashlib.blake2b(repr((seed, *stream)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)


Packs = list[list[int]]


class PackOrder:
    """Packs of samples that fill a budget of tokens, epoch after epoch; every sample is seen once an epoch."""

    def __init__(self, lengths: list[int], budget: int, seed: int) -> None:
        self.lengths, self.budget, self.seed = lengths, budget, seed
        self.first_steps = [0]  # of each epoch whose packs have been counted
        self.epoch: tuple[int, Packs] = (-1, [])  # the one in use

    def __getitem__(self, step: int) -> list[int]:
        """The samples of a step, sorted by length, so that clips of equal shape are neighbours."""
        while self.first_steps[-1] <= step:
            self.first_steps.append(self.first_steps[-1] + len(self._packs(len(self.first_steps) - 1)))
        epoch = bisect_right(self.first_steps, step) - 1
        return self._packs(epoch)[step - self.first_steps[epoch]]

    def _packs(self, epoch: int) -> Packs:
        if self.epoch[0] != epoch:
            self.epoch = (epoch, packs_of_epoch(self.lengths, self.budget, generator(self.seed, epoch)))
        return self.epoch[1]


def packs_of_epoch(lengths: list[int], budget: int, generator: torch.Generator, most_open: int = 16) -> Packs:
    """All samples, shuffled, each in the first open pack with room; the fullest pack closes when too many are open."""
    closed: Packs = []
    opened: list[tuple[int, list[int]]] = []  # room left, samples
    for sample in torch.randperm(len(lengths), generator=generator).tolist():
        for place, (room, samples) in enumerate(opened):
            if lengths[sample] <= room:
                opened[place] = (room - lengths[sample], [*samples, sample])
                break
        else:
            opened.append((budget - lengths[sample], [sample]))
            if len(opened) > most_open:
                fullest = min(range(len(opened)), key=lambda place: opened[place][0])
                closed.append(opened.pop(fullest)[1])
    closed += [samples for _, samples in opened]
    return [sorted(samples, key=lambda sample: (lengths[sample], sample)) for samples in closed]
