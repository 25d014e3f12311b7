"""Training the transformer, with its text encoder, on packs of encoded clips."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from patchworld.data import LatentSample
from patchworld.diffusion import DDPM, RectifiedFlow
from patchworld.dit import DiffusionTransformer, TransformerConfig
from patchworld.model import Model, save
from patchworld.patches import Pack, pack, patchify, positions
from patchworld.shapes import Grid
from patchworld.text import BuiltinTextEncoder, HuggingFaceTextEncoder, TextConfig, train_tokenizer
from patchworld.train.conditions import draw_cap
from patchworld.train.loop import Loss
from patchworld.train.order import PackOrder, generator
from patchworld.vae import Autoencoder
from patchworld.video import contact_sheet

TOKENS_PER_PACK = 1280
PACKS_PER_STEP = 4
NO_PROMPT = 0.1  # part of the clips trained without their caption, for guidance
NO_ACTIONS = 0.3  # part of the clips trained without their actions, for prompts alone
HELD_OUT = 64  # clips
SHOWN = 8  # prompts of the contact sheets
VOCABULARY = 2048


@dataclass(frozen=True)
class Batch:
    """One pack with everything the loss needs."""

    clean: Pack
    noise: Tensor  # (n, p)
    cap: Tensor  # (n,) 1 where dreamed
    level: Tensor  # (n,)
    captions: list[str]
    actions: Tensor | None  # (latent frames, actions)


class TransformerTask:
    """Denoise packs of clips. The module holds the denoiser and the text encoder, which learn together."""

    def __init__(
        self,
        samples: list[LatentSample],
        autoencoder: Autoencoder,
        process: RectifiedFlow | DDPM,
        sizes: dict[str, int],
        text_sizes: dict[str, int],
        actions: tuple[str, ...],
        seed: int,
        tokens_per_pack: int = TOKENS_PER_PACK,
        text_encoder: HuggingFaceTextEncoder | None = None,
    ) -> None:
        """`sizes` and `text_sizes` are fields of TransformerConfig and TextConfig, `actions` the names in the data.

        A pretrained `text_encoder` stays as it is; without one, the built-in one learns with the denoiser.
        """
        torch.manual_seed(seed)
        self.text_encoder = text_encoder or _new_text_encoder(samples, text_sizes)
        channels = autoencoder.latent_channels
        patch = sizes.get("patch", 2)
        outputs = process.num_outputs(channels * patch**2)
        config = TransformerConfig(
            latent_channels=channels, num_outputs=outputs, text_width=self.text_encoder.width, actions=actions, **sizes
        )
        self.denoiser = DiffusionTransformer(config)
        self.module = nn.ModuleDict({"denoiser": self.denoiser})
        if isinstance(self.text_encoder, nn.Module):
            self.module["text"] = self.text_encoder
        self.autoencoder, self.process, self.seed, self.patch = autoencoder, process, seed, Grid(1, patch)
        held_out = min(HELD_OUT, len(samples) // 10)
        self.samples = samples[: len(samples) - held_out]
        self.held_out = samples[len(samples) - held_out :] or samples[:1]
        lengths = [sample.shape.divided(self.patch).volume for sample in self.samples]
        self.order = PackOrder(lengths, max(tokens_per_pack, max(lengths)), seed)

    def parts(self, step: int) -> list[int]:
        """The packs of a step, numbered from the first of the run."""
        return list(range(step * PACKS_PER_STEP, (step + 1) * PACKS_PER_STEP))

    def loss(self, part: int) -> Loss:
        batch = self.batch([self.samples[number] for number in self.order[part]], generator(self.seed, part, 3))
        loss, _, text_lengths = self.mean_loss(batch)
        return Loss(loss, len(batch.level), self._flops(batch.clean.lengths, text_lengths))

    def batch(self, samples: list[LatentSample], draw: torch.Generator) -> Batch:
        """A pack of `samples` with caption, noise, noise levels, given tokens and actions drawn from `draw`."""
        shapes = [sample.shape.divided(self.patch) for sample in samples]
        clean = pack(
            [patchify(sample.latent(), self.patch) for sample in samples],
            [positions(s, self.autoencoder.grid.time / sample.fps) for s, sample in zip(shapes, samples, strict=True)],
            shapes,
        )
        cap = torch.cat([draw_cap(shape, draw) for shape in shapes])
        clip_level = self.process.sample_levels(len(samples), draw)
        level = torch.minimum(torch.repeat_interleave(clip_level, torch.tensor(clean.lengths)), cap)
        noise = torch.randn(clean.tokens.shape, generator=draw)
        keep_prompt = torch.rand(len(samples), generator=draw) >= NO_PROMPT
        chosen = torch.rand(len(samples), generator=draw)
        captions = [
            sample.captions[int(place * len(sample.captions))] if keep else ""
            for sample, keep, place in zip(samples, keep_prompt, chosen, strict=True)
        ]
        return Batch(clean, noise, cap, level, captions, self._actions(samples, draw))

    def mean_loss(self, batch: Batch) -> tuple[Tensor, int, tuple[int, ...]]:
        """Mean loss over the dreamed tokens, their number, and the tokens of each caption."""
        noisy = self.process.corrupt(batch.clean.tokens, batch.noise, batch.level)
        text = self.text_encoder(batch.captions)
        prediction = self.denoiser(
            batch.clean.with_tokens(noisy), batch.level, text.features, text.lengths, batch.actions
        )
        each = self.process.loss(prediction, batch.clean.tokens, batch.noise, noisy, batch.level)
        dreamed = batch.cap == 1
        return each[dreamed].mean(), int(dreamed.sum()), text.lengths

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """The loss on held-out clips, always with the same noise, and a contact sheet of fixed prompts."""
        total, count = 0.0, 0
        for number, sample in enumerate(self.held_out):
            loss, dreamed, _ = self.mean_loss(self.batch([sample], generator(self.seed, number, 4)))
            total, count = total + loss.item() * dreamed, count + dreamed
        model = self.model()
        shown = [sample for sample in self.held_out if sample.shape.frames > 1][:SHOWN] or self.held_out[:1]
        clips = []
        for sample in shown:
            size = (sample.shape.width * self.autoencoder.grid.space, sample.shape.height * self.autoencoder.grid.space)
            frames = 1 + (sample.shape.frames - 1) * self.autoencoder.grid.time
            clips.append(model.generate(sample.captions[0], frames=frames, size=size, fps=sample.fps))
        contact_sheet(clips, folder / f"step-{step:08d}.png", labels=[sample.captions[0] for sample in shown])
        return {"held_out_loss": total / count}

    def export(self, folder: Path) -> None:
        save(self.model(), folder, {"samples": len(self.samples), "seed": self.seed})

    def model(self) -> Model:
        return Model(self.autoencoder, self.denoiser, self.text_encoder, self.process)

    def _actions(self, samples: list[LatentSample], draw: torch.Generator) -> Tensor | None:
        """How much of each latent frame each action fills, (latent frames, actions); zero where nothing is said."""
        names = self.denoiser.config.actions
        if not names:
            return None
        rows = []
        for sample in samples:
            row = torch.zeros(sample.shape.frames, len(names))
            silent = float(torch.rand((), generator=draw)) < NO_ACTIONS
            for frame, done in enumerate(sample.actions or ()):
                for name in done if not silent else ():
                    row[frame, names.index(name)] += 1 / len(done)
            rows.append(row)
        return torch.cat(rows)

    def _flops(self, lengths: tuple[int, ...], text_lengths: tuple[int, ...]) -> float:
        """Useful work, forward and backward: 6 for each weight a token meets, 12 for each query, key and channel."""
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


def _new_text_encoder(samples: list[LatentSample], sizes: dict[str, int]) -> BuiltinTextEncoder:
    """An untrained text encoder with a tokenizer for the captions of the data."""
    tokenizer = train_tokenizer((text for sample in samples for text in sample.captions), VOCABULARY)
    return BuiltinTextEncoder(TextConfig(vocab_size=tokenizer.vocab_size, **sizes), tokenizer)
