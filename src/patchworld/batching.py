"""Several canvases dreamed at once: what the denoiser is asked at the same time is one pack and one forward pass.

Continuous batching (Yu et al. 2022, "Orca", section 3.1: scheduling by iterations) as packing makes it: canvases of any
size, at any step of their solvers, with any guidance, come and go between two passes. Clips in a pack do not see each
other, so each dream is what it would be alone.
"""

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from patchworld.canvas import Canvas
from patchworld.denoise import Denoiser, OnStep, Sampling, World
from patchworld.diffusion import NoiseProcess
from patchworld.generate import stream
from patchworld.patches import Pack, PatchGrid
from patchworld.text import TextEncoder
from patchworld.vae import Autoencoder


@dataclass(frozen=True, eq=False)
class Question:
    """What a denoiser is asked: see `dit.DiffusionTransformer.forward`."""

    pack: Pack
    level: Tensor
    text: Tensor
    text_lengths: tuple[int, ...]
    actions: Tensor | None


def ask(denoiser: Denoiser, questions: Sequence[Question]) -> list[Tensor]:
    """The answers to all questions, by one forward pass over one pack."""
    packs = [question.pack for question in questions]
    pack = Pack(
        torch.cat([pack.tokens for pack in packs]),
        torch.cat([pack.positions for pack in packs]),
        tuple(shape for pack in packs for shape in pack.shapes),
    )
    done = [question.actions for question in questions if question.actions is not None]
    actions = None
    if done:  # to say nothing is to do nothing
        nothing = [done[0].new_zeros(len(pack.frame_lengths), done[0].shape[1]) for pack in packs]
        rows = zip(questions, nothing, strict=True)
        actions = torch.cat([zeros if question.actions is None else question.actions for question, zeros in rows])
    answer = denoiser(
        pack,
        torch.cat([question.level for question in questions]),
        torch.cat([question.text for question in questions]),
        tuple(length for question in questions for length in question.text_lengths),
        actions,
    )
    return list(answer.split([len(pack.tokens) for pack in packs]))


class Gathering:
    """A denoiser that gathers the questions of several threads.

    A thread that asks waits until all the others that are here have asked too; the last one asks the real denoiser for
    everybody. Who asks is here until it says `leave`.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser
        self._changed = threading.Condition()
        self._here: set[int] = set()
        self._asked: dict[int, Question] = {}
        self._answers: dict[int, Tensor | Exception] = {}

    @property
    def token_variance(self) -> Tensor | None:
        return self.denoiser.token_variance

    @property
    def num_motion(self) -> int:
        return self.denoiser.num_motion

    def __call__(
        self, pack: Pack, level: Tensor, text: Tensor, text_lengths: tuple[int, ...], actions: Tensor | None = None
    ) -> Tensor:
        me = threading.get_ident()
        with self._changed:
            self._here.add(me)
            self._asked[me] = Question(pack, level, text, text_lengths, actions)
            while me not in self._answers:
                if len(self._asked) == len(self._here):
                    self._answer()
                    self._changed.notify_all()
                else:
                    self._changed.wait()
            answer = self._answers.pop(me)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def leave(self) -> None:
        """The thread that calls has nothing to ask for a while: nobody waits for it."""
        with self._changed:
            self._here.discard(threading.get_ident())
            self._changed.notify_all()

    def _answer(self) -> None:
        try:
            self._answers.update(zip(self._asked, ask(self.denoiser, list(self._asked.values())), strict=True))
        except Exception as error:  # it is everybody's
            self._answers.update(dict.fromkeys(self._asked, error))
        self._asked.clear()


@dataclass(frozen=True, eq=False)
class _Parts:
    """A world of these parts: `denoise.World`."""

    autoencoder: Autoencoder
    denoiser: Gathering
    text_encoder: TextEncoder
    process: NoiseProcess
    latent_channels: int
    patch: PatchGrid
    actions: tuple[str, ...]


W = TypeVar("W", bound=World)


class Batch(Generic[W]):
    """A world in which any number of threads may dream at once, each by its own `stream`."""

    def __init__(self, world: W) -> None:
        self.world = world
        self._gathering = Gathering(world.denoiser)
        self._parts = _Parts(
            world.autoencoder,
            self._gathering,
            world.text_encoder,
            world.process,
            world.latent_channels,
            world.patch,
            world.actions,
        )

    def stream(
        self, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None
    ) -> Generator[np.ndarray, None, None]:
        """The frames of `generate.stream`; close it when its end is not awaited, or others wait for it."""
        sampling = sampling or Sampling()

        def stepped(done: int, total: int, latent: Tensor) -> None:
            if done % sampling.steps == 0:  # a window is dreamed, and is decoded and written before the next one
                self._gathering.leave()
            if on_step is not None:
                on_step(done, total, latent)

        try:
            yield from stream(self._parts, canvas, sampling, stepped)
        finally:
            self._gathering.leave()
