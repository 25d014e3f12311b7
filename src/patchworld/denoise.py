"""One window of a canvas through the denoiser: noise in, clean tokens out.

A model is four parts behind small protocols: an autoencoder, a denoiser, a text encoder and a noise process. Nothing
here knows which ones it runs.
"""

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from patchworld.canvas import Block, Canvas, action_row
from patchworld.diffusion import NoiseProcess, Predict, PredictBoth, addressed_noise, check_seed, guided
from patchworld.dit import recall
from patchworld.errors import InputError, RunError
from patchworld.motion import follow
from patchworld.patches import Pack, PatchGrid, patchify, positions, unpatchify
from patchworld.plan import Stretch, Window
from patchworld.shapes import MAX_FRAMES, Shape
from patchworld.text import TextEncoder, TextTokens
from patchworld.vae import Autoencoder


class Denoiser(Protocol):
    """Predicts for every token of a pack what the noise process asks for: see `dit.DiffusionTransformer.forward`."""

    def __call__(
        self, pack: Pack, level: Tensor, text: Tensor, text_lengths: tuple[int, ...], actions: Tensor | None = None
    ) -> Tensor: ...

    @property
    def token_variance(self) -> Tensor | None: ...

    @property
    def num_motion(self) -> int: ...


class Predictor(Protocol):
    """A denoiser, the noise process it was trained with, and what made its latents and its tokens."""

    @property
    def denoiser(self) -> Denoiser: ...

    @property
    def process(self) -> NoiseProcess: ...

    @property
    def autoencoder(self) -> Autoencoder: ...

    @property
    def patch(self) -> PatchGrid: ...


class World(Predictor, Protocol):
    """A model that can dream: four parts, how many latent channels it dreams, how it cuts them into tokens, and the
    actions it understands."""

    @property
    def text_encoder(self) -> TextEncoder: ...

    @property
    def latent_channels(self) -> int: ...

    @property
    def actions(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Sampling:
    """How a canvas is dreamed.

    guidance    pulls towards the prompt, 1 is none
    solver      None is the process's default
    window      the most frames that are dreamed at once; longer canvases take several windows
    history     the most frames beside a window that are seen while it is dreamed
    """

    seed: int = 0
    steps: int = 8
    guidance: float = 3.0
    solver: str | None = None
    window: int = 48
    history: int = 16

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not (isinstance(self.steps, int) and 1 <= self.steps <= 1000):
            raise InputError(f"steps={self.steps} is out of range: use a whole number from 1 to 1000")
        if not 0 <= self.guidance <= 100:
            raise InputError(f"guidance={self.guidance} is out of range: use 0 to 100, where 1 is none")
        for name, value in (("window", self.window), ("history", self.history)):
            if not (isinstance(value, int) and 1 <= value <= MAX_FRAMES):
                raise InputError(f"{name}={value} is out of range: use a whole number of frames, 1 to {MAX_FRAMES}")


GUIDED = 0.6  # of the highest noise level: below it guidance adds no sense, only borders of patches (docs/log.md)
BESIDE_GIVEN = 0.25  # part of the guidance where frames are given whole: all of it brightens what is beside them
WRAP = 2  # token frames by which a circle of time is continued on either side

OnStep = Callable[[int, int, Tensor], None]
"""Called after each solver step with the number of steps done, that of all windows, and the latent (c, f, h, w) so far
of the window at work."""


def predict(predictor: Predictor, pack: Pack, level: Tensor, text: TextTokens, actions: Tensor | None = None) -> Tensor:
    """What the noise process asks for, for every token of a pack: see `dit.DiffusionTransformer.forward`."""
    return predict_motion(predictor, pack, level, text, actions)[0]


def predict_motion(
    predictor: Predictor, pack: Pack, level: Tensor, text: TextTokens, actions: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What `predict` says, and (n, num_motion) what the denoiser says about motion."""
    process, noisy, denoiser = predictor.process, pack.tokens, predictor.denoiser
    output = denoiser(pack, level, text.features, text.lengths, actions)
    ends = [process.num_outputs(noisy.shape[1]), output.shape[1] - denoiser.num_motion]
    prediction, address, said = output.tensor_split(ends, dim=1)
    if (variance := denoiser.token_variance) is not None:
        prediction = process.from_guess(prediction, noisy, level, variance)
    own = clean = process.clean_estimate(prediction, noisy, level)
    if address.shape[1]:
        clean = recall(clean, address, pack, level)
    if said.shape[1]:
        clean = follow(clean, said, pack, level, predictor.autoencoder, predictor.patch)
    return (prediction if clean is own else process.corrected(prediction, clean - own, level)), said


class Dreamer:
    """Dreams the windows of one canvas, and counts its steps."""

    def __init__(self, world: World, canvas: Canvas, sampling: Sampling, num_windows: int, on_step: OnStep | None):
        self.world, self.canvas, self.sampling, self.on_step = world, canvas, sampling, on_step
        self.grid = world.autoencoder.grid * world.patch
        self.total, self.done = num_windows * sampling.steps, 0
        self._texts: dict[str, TextTokens] = {}
        self._coming = iter(canvas.actions)
        self._names: list[str] = []  # what is done in each frame, as far as it was asked for

    def ask_actions(self, frame: int) -> bool:
        """Ask for what is done before `frame`; False when somebody who was asked has nothing more to say."""
        self._names += islice(self._coming, max(0, frame - len(self._names)))
        return isinstance(self.canvas.actions, Sized) or len(self._names) >= frame

    def window(self, blocks: Sequence[Block], stretch: Stretch, window: Window) -> Tensor:
        """The clean tokens (n, p) of the blocks that a window sees; those of given ones come back as they are."""
        world, sampling = self.world, self.sampling
        given, freedom = (torch.cat(parts) for parts in zip(*((b.tokens, b.freedom) for b in blocks), strict=True))
        self.done += sampling.steps
        if not freedom.any():
            return given
        cap = world.process.level_at(freedom, len(freedom))
        height, width = (side // world.patch.space for side in blocks[0].detail.shape[2:])
        shape = Shape(len(blocks), height, width)

        def noise(stream: int) -> Tensor:
            time, base = world.patch.time, -(-stretch.start // world.autoencoder.grid.time)
            edges = [base + 1 + (number - 1) * time if number else base for number in (window.start, window.stop)]
            size = (world.latent_channels, edges[1] - edges[0], *blocks[0].detail.shape[2:])
            drawn = addressed_noise(sampling.seed, size, first_frame=edges[0], stream=stream)
            return patchify(drawn, world.patch, begins=window.start == 0)

        def report(done: int, steps: int, clean: Tensor) -> None:
            if self.on_step is not None:
                self.on_step(self.done - steps + done, self.total, unpatchify(clean, shape, world.patch))

        guidance = sampling.guidance
        if (cap.view(shape.frames, -1) == 0).all(1).any():
            guidance = 1 + BESIDE_GIVEN * (guidance - 1)
        predictors = self._predictors(shape, stretch, window)
        clean = world.process.sample(
            guided(*predictors, guidance, world.process.guide, (GUIDED * float(cap.max()), 1.0)),
            world.process.corrupt(given, noise(0), cap),
            cap,
            num_steps=sampling.steps,
            solver=sampling.solver,
            fresh_noise=noise,
            on_step=report,
        )
        if not clean.isfinite().all():
            remedy = f"lower guidance={sampling.guidance} or retrain it"
            raise RunError(f"the model made numbers that are not finite: {remedy}")
        return clean

    def _predictors(self, shape: Shape, stretch: Stretch, window: Window) -> tuple[Predict, PredictBoth]:
        """The denoiser with the prompts of a window of token `shape`; and both with those and with the negative one.

        What is asked at the same time is one pack: of the window with each prompt, one forward pass.
        """
        canvas, step, each = self.canvas, self.grid.time, shape.height * shape.width
        around = WRAP if canvas.circular and not canvas.conditions else 0  # a circle's ends are seen on both sides
        seen = Shape(shape.frames + 2 * around, shape.height, shape.width)
        number = torch.arange(-around, shape.frames + around) % shape.frames  # of each token frame that is seen
        index = (number[:, None] * each + torch.arange(each)).flatten()  # the token of the state at each place
        place = positions(seen, step / canvas.fps)
        last = [max(0, stretch.start + block * step) for block in range(window.start, window.stop)]  # frame of each
        parts = torch.tensor([sum(first <= frame for first, _ in canvas.prompts) - 1 for frame in last])
        prompted = parts.unique().tolist()
        done = self._actions(last, number) if self._names else None

        def read(noisy: Tensor, level: Tensor, prompts: list[str]) -> list[Tensor]:
            """What is predicted with each prompt. Those after the prompts of the window are read without actions."""
            texts, times = [self._text(prompt) for prompt in prompts], len(prompts)
            device = texts[0].features.device  # the solver and what it mixes stay on the CPU
            text = TextTokens(torch.cat([one.features for one in texts]), tuple(len(one.features) for one in texts))
            pack = Pack(noisy[index].repeat(times, 1), place.repeat(times, 1), (seen,) * times).to(device)
            actions = None
            if done is not None:  # to say nothing is to do nothing
                rows = [done] * len(prompted) + [torch.zeros_like(done)] * (times - len(prompted))
                actions = torch.cat(rows).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                found = predict(self.world, pack, level[index].repeat(times).to(device), text, actions)
            inner = slice(around * each, around * each + len(noisy))
            return [one[inner] for one in found.to(noisy.device).chunk(times)]

        def merged(found: list[Tensor]) -> Tensor:
            """Each token frame as it is predicted with its own prompt, which sees the others too."""
            answer = found[0]
            for part, other in zip(prompted[1:], found[1:], strict=True):
                answer = torch.where((parts == part).repeat_interleave(each)[:, None], other, answer)
            return answer

        prompts = [canvas.prompts[part][1] for part in prompted]

        def conditional(noisy: Tensor, level: Tensor) -> Tensor:
            return merged(read(noisy, level, prompts))

        def both(noisy: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
            *found, unconditional = read(noisy, level, [*prompts, canvas.negative])
            return merged(found), unconditional

        return conditional, both

    def _actions(self, last: list[int], number: Tensor) -> Tensor:
        """What is done in the token frames that end with the frames `last`, a row each: see action_row."""
        step, rows = self.grid.time, []
        for frame in last:
            names = self._names[max(0, frame - step + 1) : frame + 1]
            rows.append(action_row(names, self.world.actions, step, first=frame == 0))
        return torch.stack(rows)[number]

    def _text(self, prompt: str) -> TextTokens:
        if prompt not in self._texts:
            with torch.autocast("cpu", torch.bfloat16):
                self._texts[prompt] = self.world.text_encoder([prompt])
        return self._texts[prompt]
