"""Learning from a judge: each step dreams prompts, and the losses of the dreams count by how good a judge finds them.

What is true of a clip is often a matter of few pixels. A loss that counts pixels hardly hears whether a thing is a cube
or a ball; a judge says nothing else. Of several dreams of one prompt the better ones are learned, from the worse ones
the model is pushed away: reinforcement learning on the forward process, which needs no more of a dream than its end
(DiffusionNFT, Zheng et al. 2025, 2509.16117, section 3.2). Here the old policy is the model itself at each step: then a
target that lies beyond its prediction by the advantage has the gradient of a loss that counts by the advantage.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from patchworld.canvas import Canvas, action_row
from patchworld.data import LatentSample
from patchworld.denoise import GUIDED, Sampling, predict
from patchworld.diffusion import guided
from patchworld.model import Model
from patchworld.patches import Pack, patchify, positions, unpatchify
from patchworld.shapes import Shape
from patchworld.text import TextTokens
from patchworld.train.loop import Loss
from patchworld.train.order import generator
from patchworld.train.transformer import Batch, TransformerTask
from patchworld.vae import decode_clip
from patchworld.video import Clip

Judge = Callable[[int], tuple[Canvas, Callable[[Clip], float]]]
"""What to dream for each number, told by words and actions alone; and how good a clip of it is, 0 to 1."""

GROUP = 8  # dreams of one prompt, which are compared
LOOKS = 2  # noise levels at which each dream is learned from
CLEAR = 1.5  # standard deviations of a group's marks from their mean that count in full
LEAST = 0.12  # a standard deviation below it counts as this one: what is nearly alike is no lesson
ALIKE = 1e-4  # advantages below it are rounding


class JudgedTask(TransformerTask):
    """A TransformerTask whose packs are dreams, judged and learned from; the first of each step is of true clips, so
    that what the judge does not look at stays as it is.
    """

    def __init__(self, samples: list[LatentSample], model: Model, seed: int, *amounts: int, judge: Judge) -> None:
        """`amounts` are the tokens of a pack and the packs of a step."""
        super().__init__(samples, model, seed, *amounts)
        self.judge = judge
        self.marks: list[float] = []  # of all dreams since they were last told of
        self.lock = Lock()

    def loss(self, part: int) -> Loss:
        if part % self.packs_per_step == 0:
            return super().loss(part)
        draw, model = generator(self.seed, part, 5), self.model()
        canvases, judges = self._asked(draw)
        dreams = Dreams(model, canvases)
        clean = dreams.dream(draw)
        clips = dreams.clips(clean)
        marks = torch.tensor([judge(clip) for judge, clip in zip(judges, clips, strict=True)], dtype=torch.float32)
        with self.lock:
            self.marks += marks.tolist()
        weights = advantages(marks)
        # Nothing is learned from a group of which all are as good; of one, where all groups are such.
        learned = weights.abs().unflatten(0, (-1, GROUP)).amax(1).gt(ALIKE).repeat_interleave(GROUP).nonzero()[:, 0]
        numbers = learned.tolist() or list(range(GROUP))
        tokens = clean.split([shape.volume for shape in dreams.shapes])
        batch = self._batch([canvases[number] for number in numbers], [tokens[number] for number in numbers], draw)
        each, _, text_lengths = self.token_losses(batch.filled().to(self.denoiser.final.weight.device))
        lengths = batch.clean.lengths
        weight = weights[numbers].repeat(LOOKS).repeat_interleave(torch.tensor(lengths)).to(each.device)
        flops = self._flops(lengths, text_lengths[: len(lengths)])
        return Loss((each[: len(weight)] * weight).mean(), len(weight), flops)

    def names(self, part: int) -> list[str]:
        if part % self.packs_per_step == 0:
            return super().names(part)
        return [canvas.prompt for canvas in self._asked(generator(self.seed, part, 5))[0][::GROUP]]

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """That of a TransformerTask, and the mean mark of the dreams since the last time."""
        found = super().evaluate(folder, step)
        with self.lock:
            marks, self.marks = self.marks, []
        return found | ({"mark": sum(marks) / len(marks)} if marks else {})

    def _asked(self, draw: torch.Generator) -> tuple[list[Canvas], list[Callable[[Clip], float]]]:
        """The canvases of a pack, GROUP of each, and who judges each. One group at least, however large."""
        canvases: list[Canvas] = []
        judges: list[Callable[[Clip], float]] = []
        tokens = 0
        while True:
            canvas, judge = self.judge(int(torch.randint(2**40, (), generator=draw)))
            if set(canvas.actions) - set(self.actions):
                continue  # the model cannot be told of it
            tokens += LOOKS * GROUP * token_shape(self.model(), canvas).volume
            if canvases and tokens > self.tokens_per_pack:
                return canvases, judges
            canvases += [canvas] * GROUP
            judges += [judge] * GROUP

    def _batch(self, canvases: list[Canvas], tokens: list[Tensor], draw: torch.Generator) -> Batch:
        """The clean `tokens` of each dream LOOKS times, at levels and with noise of its own."""
        dreams = Dreams(self.model(), canvases * LOOKS)
        levels = [self.process.sample_levels(1, draw, shape.volume).expand(shape.volume) for shape in dreams.shapes]
        return Batch(
            Pack(torch.cat(tokens * LOOKS), dreams.places, dreams.shapes),
            torch.cat([dreams.noise(shape, draw) for shape in dreams.shapes]),
            torch.ones(len(dreams.places)),
            torch.cat(levels),
            [canvas.prompt for canvas in dreams.canvases],
            dreams.actions if self.actions else None,
        )


def advantages(marks: Tensor) -> Tensor:
    """By how much each of the dreams (n,), GROUP neighbours of one prompt, is better than its group: -1 to 1."""
    groups = marks.unflatten(0, (-1, GROUP))
    spread = groups.std(dim=1, correction=0, keepdim=True).clamp(min=LEAST)
    return ((groups - groups.mean(1, keepdim=True)) / (CLEAR * spread)).clamp(-1, 1).flatten()


def token_shape(model: Model, canvas: Canvas) -> Shape:
    return canvas.shape.padded(model.autoencoder.grid * model.patch).divided(model.autoencoder.grid * model.patch)


class Dreams:
    """Canvases of words and actions alone that are dreamed in one pack, with the settings of `Sampling`."""

    def __init__(self, model: Model, canvases: Sequence[Canvas]) -> None:
        self.model, self.canvases = model, canvases
        self.shapes = tuple(token_shape(model, canvas) for canvas in canvases)
        self.step = (model.autoencoder.grid * model.patch).time
        pairs = list(zip(self.shapes, canvases, strict=True))
        self.places = torch.cat([positions(shape, self.step / canvas.fps) for shape, canvas in pairs])
        self.actions = torch.stack([row for shape, canvas in pairs for row in self._deeds(shape, canvas)])

    def noise(self, shape: Shape, draw: torch.Generator) -> Tensor:
        patch = self.model.patch
        frames, space = 1 + (shape.frames - 1) * patch.time, patch.space
        size = (self.model.latent_channels, frames, shape.height * space, shape.width * space)
        return patchify(torch.randn(size, generator=draw), patch)

    @torch.no_grad()
    def dream(self, draw: torch.Generator) -> Tensor:
        """The clean tokens (n, p) of all."""
        model, settings = self.model, Sampling()
        device = model.denoiser.final.weight.device  # what is mixed and drawn stays on the CPU
        said = model.text_encoder([*(canvas.prompt for canvas in self.canvases), ""])
        *words, nothing = said.features.split(said.lengths)
        none = [nothing] * len(words)

        def read(noisy: Tensor, level: Tensor, texts: list[Tensor], actions: Tensor) -> Tensor:
            times = len(texts) // len(words)
            pack = Pack(noisy.repeat(times, 1), self.places.repeat(times, 1), self.shapes * times).to(device)
            text = TextTokens(torch.cat(texts), tuple(len(one) for one in texts))
            with torch.autocast(device.type, torch.bfloat16):
                return predict(model, pack, level.repeat(times).to(device), text, actions.to(device)).cpu()

        def with_words(noisy: Tensor, level: Tensor) -> Tensor:
            return read(noisy, level, words, self.actions)

        def both(noisy: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
            actions = torch.cat([self.actions, torch.zeros_like(self.actions)])
            one, other = read(noisy, level, words + none, actions).chunk(2)
            return one, other

        noise = torch.cat([self.noise(shape, draw) for shape in self.shapes])
        return model.process.sample(
            guided(with_words, both, settings.guidance, model.process.guide, (GUIDED, 1.0)),
            noise,
            torch.ones(len(noise)),
            num_steps=settings.steps,
        )

    def clips(self, clean: Tensor) -> list[Clip]:
        """What clean tokens (n, p) look like."""
        tokens = clean.split([shape.volume for shape in self.shapes])
        latents = [unpatchify(one, shape, self.model.patch) for one, shape in zip(tokens, self.shapes, strict=True)]
        return [
            decode_clip(self.model.autoencoder, latent, canvas.shape, canvas.fps)
            for latent, canvas in zip(latents, self.canvases, strict=True)
        ]

    def _deeds(self, shape: Shape, canvas: Canvas) -> list[Tensor]:
        """What is done in each token frame: see action_row."""
        names = list(canvas.actions)
        last = [number * self.step for number in range(shape.frames)]
        done = [names[max(0, frame - self.step + 1) : frame + 1] for frame in last]
        return [action_row(some, self.model.actions, self.step, first=not number) for number, some in enumerate(done)]
