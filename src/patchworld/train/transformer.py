"""Training the transformer, with its text encoder, on packs of encoded clips."""

import time
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice
from pathlib import Path

import torch
from torch import Tensor, nn

from patchworld.canvas import action_row
from patchworld.data import LatentSample
from patchworld.denoise import predict_motion
from patchworld.diffusion import DDPM, RectifiedFlow
from patchworld.dit import DiffusionTransformer, TransformerConfig
from patchworld.dit.transformer import ROUND
from patchworld.errors import InputError
from patchworld.model import Model, save
from patchworld.motion import SAYS, motion_loss
from patchworld.patches import Pack, PatchGrid, pack, patchify, positions
from patchworld.shapes import Shape
from patchworld.text import BuiltinTextEncoder, HuggingFaceTextEncoder, TextConfig, train_tokenizer
from patchworld.train.conditions import draw_cap, draw_kept
from patchworld.train.config import Stage
from patchworld.train.loop import Loss
from patchworld.train.order import PackOrder, generator
from patchworld.vae import Autoencoder
from patchworld.video import contact_sheet

TOKENS_PER_PACK = 1280
PACKS_PER_STEP = 4
MOST_CHANNELS = 64  # of the latent that are learned unless said otherwise: 32 cannot carry a fall (docs/log.md)
NEW = {  # settings of TransformerConfig for new models
    "linear_guess": True,
    "recall": 32,
    "motion": SAYS,
    "action_history": 8,
}
CLIPS_FOR_VARIANCE = 400
MOTION = 3.0  # weight of the loss of motion beside that of the velocity
NO_PROMPT = 0.1  # part of the clips trained without their caption, for guidance
NO_ACTIONS = 0.3  # part of the clips trained without their actions, for prompts alone
HELD_OUT = 64  # clips
SHOWN = 8  # prompts of the contact sheets
VOCABULARY = 2048


@dataclass(frozen=True)
class Batch:
    """One pack with everything the loss needs."""

    clean: Pack  # without the dropped tokens
    noise: Tensor  # (n, p)
    cap: Tensor  # (n,) 1 where dreamed
    level: Tensor  # (n,)
    captions: list[str]
    actions: Tensor | None  # (token frames, what is done in each)

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.clean.to(device),
            self.noise.to(device),
            self.cap.to(device),
            self.level.to(device),
            self.captions,
            None if self.actions is None else self.actions.to(device),
        )

    def filled(self) -> "Batch":
        """With a clip of nothing at its end, given and not learned from, up to a multiple of ROUND tokens.

        Packs are nearly full, so nearly all of them then have one size, and products of matrices are not compiled anew
        for each: on a core with matrix instructions that takes several times as long as the product.
        """
        if not (room := -len(self.level) % ROUND):
            return self
        nothing = pack([self.noise.new_zeros(room, self.noise.shape[1])], [torch.zeros(room, 3)], [Shape(1, 1, room)])
        return Batch(
            self.clean.joined(nothing),
            torch.cat([self.noise, nothing.tokens]),
            torch.cat([self.cap, torch.zeros(room)]),
            torch.cat([self.level, torch.zeros(room)]),
            [*self.captions, ""],
            None if self.actions is None else torch.cat([self.actions, torch.zeros_like(self.actions[:1])]),
        )


class TransformerTask:
    """Denoise packs of clips. The module holds the denoiser and the text encoder, which learn together."""

    def __init__(
        self,
        samples: list[LatentSample],
        model: Model,
        seed: int,
        tokens_per_pack: int = TOKENS_PER_PACK,
        packs_per_step: int = PACKS_PER_STEP,
    ) -> None:
        """Train the denoiser of `model`, a new one or one to go on from; the built-in text encoder learns with it."""
        self.autoencoder, self.denoiser = model.autoencoder, model.denoiser
        self.text_encoder, self.process = model.text_encoder, model.process
        self.seed, self.patch, self.actions = seed, model.patch, model.denoiser.config.actions
        self.weight = token_weight(self.autoencoder, self.denoiser.config.latent_channels, self.patch)
        self.module = nn.ModuleDict({"denoiser": self.denoiser})
        if isinstance(self.text_encoder, nn.Module):
            self.module["text"] = self.text_encoder
        # Evenly spaced, so that of several data sets all are judged.
        held_out = set(torch.linspace(0, len(samples) - 1, min(HELD_OUT, len(samples) // 10)).int().tolist())
        self.all_samples = [sample for number, sample in enumerate(samples) if number not in held_out]
        self.held_out = [samples[number] for number in sorted(held_out)] or samples[:1]
        self.made_by = {"samples": len(self.all_samples), "seed": seed}
        self.tokens_per_pack, self.packs_per_step = tokens_per_pack, packs_per_step
        self.begin_stage(Stage(), 0)

    def begin_stage(self, stage: Stage, step: int) -> None:
        """From `step` on, learn from the samples of `stage`, in epochs of their own."""
        self.samples = [sample.beginning(stage.frames) for sample in self.all_samples]
        self.shapes = [sample.shape.divided(self.patch) for sample in self.samples]
        whole = {number: shape.volume for number, shape in enumerate(self.shapes)}
        chosen = {number: n for number, n in whole.items() if stage.most_tokens is None or n <= stage.most_tokens}
        if not chosen:
            raise InputError(
                f"a stage of samples up to {stage.most_tokens} tokens has none: the smallest has {min(whole.values())}"
            )

        def lengths(epoch: int) -> dict[int, int]:
            return {number: int(self._view(epoch, number)[1].sum()) for number in chosen}

        self.stage, self.stage_step = stage, step
        # Packs weigh the same in a step, so they are of one size: that of the largest sample, where that is larger.
        self.order = PackOrder(lengths, max(self.tokens_per_pack, max(chosen.values())), self.seed, step)

    def parts(self, step: int) -> list[int]:
        """The packs of a step, numbered from the first of the run."""
        return list(range(step * self.packs_per_step, (step + 1) * self.packs_per_step))

    def loss(self, part: int) -> Loss:
        started = time.perf_counter()
        epoch, numbers = self._pack(part)
        samples, draws = [self.samples[n] for n in numbers], [self._draw(epoch, n) for n in numbers]
        batch = self.batch(samples, draws, self.stage.drop)
        tokens = len(batch.level)
        batch = batch.filled()
        waited = time.perf_counter() - started
        loss, moved, _, text_lengths = self.mean_loss(batch)
        lengths = batch.clean.lengths[: len(samples)]
        return Loss(loss + MOTION * moved, tokens, self._flops(lengths, text_lengths[: len(samples)]), waited)

    def names(self, part: int) -> list[str]:
        return [str(self.samples[number].path) for number in self._pack(part)[1]]

    def batch(self, samples: list[LatentSample], draws: list[torch.Generator], drop: float = 0.0) -> Batch:
        """A pack of `samples`. What is random about each comes from its own one of `draws`, whatever pack it is in.

        Given and dropped tokens are drawn first: they decide its length, which the order of packs has to know.
        """
        shapes = [sample.shape.divided(self.patch) for sample in samples]
        views = [draw_view(shape, drop, draw) for shape, draw in zip(shapes, draws, strict=True)]
        latents = [self._latent(sample) for sample in samples]
        time = (self.autoencoder.grid * self.patch).time
        clean = pack(
            [patchify(latent, self.patch) for latent in latents],
            [positions(shape, time / sample.fps) for shape, sample in zip(shapes, samples, strict=True)],
            shapes,
        )
        kept = torch.cat([kept for _, kept in views])
        if not kept.all():
            clean = clean.keep(kept)
        levels, noises, captions, actions = [], [], [], []
        for shape, (cap, kept), sample, latent, draw in zip(shapes, views, samples, latents, draws, strict=True):
            levels.append(torch.minimum(self.process.sample_levels(1, draw, shape.volume), cap[kept]))
            noises.append(patchify(torch.randn(latent.shape, generator=draw), self.patch)[kept])
            acted = bool(self.actions and sample.actions) and float(torch.rand((), generator=draw)) >= NO_ACTIONS
            captions.append(_draw_caption(sample, acted, draw))
            actions.append(self._actions(sample, acted))
        return Batch(
            clean,
            torch.cat(noises),
            torch.cat([cap[kept] for cap, kept in views]),
            torch.cat(levels),
            captions,
            torch.cat(actions) if self.actions else None,
        )

    def mean_loss(self, batch: Batch) -> tuple[Tensor, Tensor, int, tuple[int, ...]]:
        """Mean loss over the dreamed tokens, that of motion, their number, and the tokens of each caption."""
        batch = batch.to(self.denoiser.final.weight.device)
        each, said, text_lengths = self.token_losses(batch)
        dreamed = batch.cap == 1
        moved = said.new_zeros(())
        if said.shape[1]:
            moved = motion_loss(batch.clean.tokens, said, batch.clean, self.autoencoder, self.patch)
        return each[dreamed].mean(), moved, int(dreamed.sum()), text_lengths

    def token_losses(self, batch: Batch) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """The loss of each token, (n,), what is said of its motion, and the tokens of each caption."""
        noisy = self.process.corrupt(batch.clean.tokens, batch.noise, batch.level)
        text = self.text_encoder(batch.captions)
        prediction, said = predict_motion(self, batch.clean.with_tokens(noisy), batch.level, text, batch.actions)
        weight = self.weight.to(noisy.device)
        each = self.process.loss(prediction, batch.clean.tokens, batch.noise, noisy, batch.level, weight)
        return each, said, text.lengths

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """The loss on held-out clips, always with the same noise, and a contact sheet of fixed prompts."""
        total, count = 0.0, 0
        judged = max(HELD_OUT, len(self.held_out))  # few clips are judged several times, with other noise
        for number, sample in enumerate(islice(cycle(self.held_out), judged)):
            loss, _, dreamed, _ = self.mean_loss(self.batch([sample], [generator(self.seed, number, 4)]))
            total, count = total + loss.item() * dreamed, count + dreamed
        model = self.model()
        shown = [sample for sample in self.held_out if sample.shape.frames > 1][:SHOWN] or self.held_out[:1]
        clips = []
        for sample in shown:
            size = (sample.shape.width * self.autoencoder.grid.space, sample.shape.height * self.autoencoder.grid.space)
            frames = 1 + (sample.shape.frames - 1) * self.autoencoder.grid.time
            clip = model.generate(sample.captions[0], frames=frames, size=size, fps=sample.fps)
            clips.append(replace(clip, recipe=None))  # a look at a run is not signed: that needs a key on every machine
        contact_sheet(clips, folder / f"step-{step:08d}.png", labels=[sample.captions[0] for sample in shown])
        return {"held_out_loss": total / count}

    def export(self, folder: Path) -> None:
        save(self.model(), folder, self.made_by)

    def model(self) -> Model:
        return Model(self.autoencoder, self.denoiser, self.text_encoder, self.process)

    def _latent(self, sample: LatentSample) -> Tensor:
        """The channels that are learned, (c, f, h, w)."""
        return sample.latent()[: self.denoiser.config.latent_channels]

    def _pack(self, part: int) -> tuple[int, list[int]]:
        """The epoch of a part, and the numbers of its samples."""
        return self.order[part - self.stage_step * self.packs_per_step]

    def _draw(self, epoch: int, number: int) -> torch.Generator:
        """Of all that is random about a sample in an epoch of this stage."""
        return generator(self.seed, self.stage_step, epoch, number)

    def _view(self, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        return draw_view(self.shapes[number], self.stage.drop, self._draw(epoch, number))

    def _actions(self, sample: LatentSample, acted: bool) -> Tensor:
        """What is done in each token frame, a row each (see action_row); zero unless the clip is `acted`."""
        time = self.patch.time
        done = sample.actions if acted and sample.actions else ((),) * sample.shape.frames
        parts = [done[:1], *(done[start : start + time] for start in range(1, len(done), time))]
        frames = self.autoencoder.grid.time * time
        rows = (list(chain.from_iterable(part)) for part in parts)
        return torch.stack([action_row(row, self.actions, frames, first=not i) for i, row in enumerate(rows)])

    def _flops(self, lengths: tuple[int, ...], text_lengths: tuple[int, ...]) -> float:
        """Useful work, forward and backward: 6 for each weight a token meets, 12 for each query, key and channel.

        Counted as if all weights learned; of those that do not, the work is 4.
        """
        config = self.denoiser.config
        per_text = config.depth * 2 * config.width * config.text_width
        weights = sum(p.numel() for p in self.denoiser.parameters()) - per_text
        text_weights = per_text
        if isinstance(self.text_encoder, BuiltinTextEncoder):
            text_weights += sum(p.numel() for p in self.text_encoder.blocks.parameters())
        pairs = sum(n * (n + m) for n, m in zip(lengths, text_lengths, strict=True))
        return (
            6.0 * (sum(lengths) * weights + sum(text_lengths) * text_weights)
            + 12.0 * config.depth * config.width * pairs
        )


def token_weight(autoencoder: Autoencoder, channels: int, patch: PatchGrid) -> Tensor:
    """What the errors of a token's values (p,) are worth: as much as the pixels they change.

    Latents hold faint channels larger than pixels show them. Unweighted, three quarters of the loss at level 0.6 are
    that of the last 48 of 64 channels, most of which is chance.
    """
    power = autoencoder.pixel_power(channels)
    return patchify(power[:, None, None, None].expand(-1, patch.time, patch.space, patch.space), patch, begins=False)[0]


def draw_view(shape: Shape, drop: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """The caps of a clip's tokens and which of them are kept, both (n,)."""
    cap = draw_cap(shape, draw)
    return cap, draw_kept(cap, shape, drop, draw)


def _draw_caption(sample: LatentSample, acted: bool, draw: torch.Generator) -> str:
    """One of a sample's captions, of its settings too where it is `acted`, or now and then none."""
    keep, place = float(torch.rand((), generator=draw)) >= NO_PROMPT, float(torch.rand((), generator=draw))
    known = sample.captions + sample.settings if acted else sample.captions
    return known[int(place * len(known))] if keep else ""


def new_model(
    samples: list[LatentSample],
    autoencoder: Autoencoder,
    process: RectifiedFlow | DDPM,
    sizes: dict[str, int],
    text_sizes: dict[str, int],
    actions: tuple[str, ...],
    seed: int,
    text_encoder: HuggingFaceTextEncoder | None = None,
) -> Model:
    """A model with an untrained transformer for `samples`.

    `sizes` and `text_sizes` are fields of TransformerConfig and TextConfig, `actions` the names in the data. A
    pretrained `text_encoder` stays as it is; without one, the built-in one learns with the denoiser.
    """
    torch.manual_seed(seed)
    words = text_encoder or _new_text_encoder(samples, text_sizes)
    sizes = {"latent_channels": min(MOST_CHANNELS, autoencoder.latent_channels), **NEW, **sizes}
    outputs = process.num_outputs(TransformerConfig(**sizes).num_inputs)
    frames = (autoencoder.grid * TransformerConfig(**sizes).grid).time
    config = TransformerConfig(
        num_outputs=outputs, text_width=words.width, actions=actions, token_frames=frames, **sizes
    )
    denoiser = DiffusionTransformer(config)
    if config.linear_guess:
        latents = (sample.latent()[: config.latent_channels] for sample in samples[:CLIPS_FOR_VARIANCE])
        tokens = torch.cat([patchify(latent, config.grid) for latent in latents])
        denoiser.token_variance = tokens.square().mean(0)  # the mean is zero
    return Model(autoencoder, denoiser, words, process)


def _new_text_encoder(samples: list[LatentSample], sizes: dict[str, int]) -> BuiltinTextEncoder:
    """An untrained text encoder with a tokenizer for the captions of the data."""
    tokenizer = train_tokenizer((text for sample in samples for text in sample.captions), VOCABULARY)
    return BuiltinTextEncoder(TextConfig(vocab_size=tokenizer.vocab_size, **sizes), tokenizer)
