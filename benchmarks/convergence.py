"""What does a transformer learn most from, at equal processor time?

    python benchmarks/convergence.py --data DATA [--rows NAME ...] [--minutes 5] [--seed 0] [--out FILE]

Each row trains from scratch by the real loop, whose clock is the processor time of this process, on the clips of the
commonest shape: one pack of 896 tokens a step, pictures for the first 30 %. The averaged weights are judged on 64 clips
held out, by the loss of the velocity at fixed levels with fixed noise: of their first pictures, and whole. On a core
that others share even processor time is worth less; two seeds of `base` say how much a difference has to be.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import torch
from measure import machine, publish
from torch import nn
from torch.nn import functional as F

from patchworld.data import LatentSample, action_names, encode_dataset, read_dataset
from patchworld.diffusion import RectifiedFlow
from patchworld.generate import predict
from patchworld.model import DEFAULT, load_autoencoder
from patchworld.patches import pack, patchify, positions
from patchworld.shapes import Grid
from patchworld.train import Stage, TrainConfig, TransformerTask, loop, train
from patchworld.train.order import generator
from patchworld.train.transformer import draw_view, new_model

LEVELS = (0.95, 0.8, 0.5, 0.3)
FLOW = RectifiedFlow(shift=2.0, logit_std=1.6)  # as the command line has it


class Uniform(RectifiedFlow):
    """Levels of training from all of (0, 1) alike."""

    def sample_levels(self, num, generator=None, tokens=None):
        return 1 - torch.rand(num, generator=generator)


class Judged(TransformerTask):
    """Its evaluation is the table's."""

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        self.figures = {(f, level): self.judge(f, level) for f in (1, None) for level in LEVELS}
        return {f"{level} {'pictures' if f else 'clips'}": loss for (f, level), loss in self.figures.items()}

    def judge(self, frames: int | None, level: float) -> float:
        losses = []
        for number, sample in enumerate(self.held_out):
            sample = sample.beginning(frames)
            shape = sample.shape.divided(self.patch)
            clean = pack([patchify(self._latent(sample), self.patch)], [positions(shape, 4 / sample.fps)], [shape])
            noise = torch.randn(clean.tokens.shape, generator=generator(0, number))
            levels = torch.full((len(noise),), level)
            noisy = self.process.corrupt(clean.tokens, noise, levels)
            prediction = predict(self, clean.with_tokens(noisy), levels, self.text_encoder([sample.captions[0]]))
            losses.append(self.process.loss(prediction, clean.tokens, noise, noisy, levels).mean().item())
        return sum(losses) / len(losses)

    def export(self, folder: Path) -> None:
        """Nothing is kept."""


class Aligned(Judged):
    """Features of the third block also tell, through a perceptron of two layers, all channels of the clean latent: as
    Yu et al. 2024, "Representation Alignment for Generation" (2410.06940), with the autoencoder as the teacher.
    """

    def __init__(self, samples: list[LatentSample], *settings) -> None:
        super().__init__(samples, *settings)
        channels = torch.cat([patchify(sample.latent(), self.patch) for sample in samples[:400]])
        self.deviation = channels.std(0).clamp(min=1e-4)
        width = self.denoiser.config.width
        self.module["head"] = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, len(self.deviation))
        )

    def loss(self, part: int) -> loop.Loss:
        epoch, numbers = self._pack(part)
        kept = torch.cat([draw_view(self.shapes[n], self.stage.drop, self._draw(epoch, n))[1] for n in numbers])
        target = torch.cat([patchify(self.samples[n].latent(), self.patch) for n in numbers])[kept] / self.deviation
        features = []
        hook = self.denoiser.blocks[2].register_forward_hook(lambda block, inputs, x: features.append(x))
        loss = super().loss(part)
        hook.remove()
        away = 1 - F.cosine_similarity(self.module["head"](features[0]).float(), target, dim=1)
        return loop.Loss(loss.value + 0.5 * away.mean(), loss.tokens, loss.flops, loss.waited)


ROWS = {
    "base": {},
    "narrow": {"width": 128, "head_width": 64},
    "middle": {"width": 192, "head_width": 64},
    "shallow": {"depth": 4},
    "plain levels": {"process": RectifiedFlow()},
    "uniform levels": {"process": Uniform()},
    "adamw": {"optimizer": "adamw"},
    "adamw, lr 3e-3": {"optimizer": "adamw", "lr": 3e-3},
    "half of the tokens": {"drop": 0.5},
    "small packs": {"tokens": 448},
    "aligned": {"task": Aligned},
}


def learn(name: str, samples: list[LatentSample], actions: tuple[str, ...], minutes: float, seed: int) -> str:
    """One row of the table."""
    row = {"width": 256, "depth": 8, "head_width": 128, "task": Judged, "process": FLOW, "tokens": 896, "drop": 0.0}
    row |= {"optimizer": "muon", "lr": 1e-3} | ROWS[name]
    sizes = {key: row[key] for key in ("width", "depth", "head_width")}
    autoencoder = load_autoencoder(DEFAULT)
    model = new_model(samples, autoencoder, row["process"], sizes, {}, actions, seed)
    task = row["task"](samples, model, seed, row["tokens"], 1)
    stages = (Stage(until=0.3, frames=1), Stage(drop=row["drop"]))
    settings = {"optimizer": row["optimizer"], "lr": row["lr"], "lr_warmup_steps": 20, "seed": seed, "threads": 1}
    rare = {"save_minutes": 1e9, "sample_minutes": 1e9}
    with tempfile.TemporaryDirectory() as folder:
        train(task, TrainConfig(minutes=minutes, stages=stages, **settings, **rare), Path(folder) / "run")
        steps = (Path(folder) / "run" / "metrics.jsonl").read_text().count('"loss"')
    weights = sum(p.numel() for p in model.denoiser.parameters()) / 1e6
    return f"| {name} | {weights:.1f} M | {steps} | " + " | ".join(f"{x:.3f}" for x in task.figures.values()) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--minutes", type=float, default=5.0, help="of processor time a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    loop.time = SimpleNamespace(perf_counter=time.process_time, monotonic=time.monotonic)
    autoencoder = load_autoencoder(DEFAULT)
    latents = options.data.with_name(options.data.name + "-latents")
    videos = read_dataset(options.data)
    samples = encode_dataset(videos, autoencoder, autoencoder.grid * Grid(1, 2), latents)
    (shape, _), *_ = Counter(sample.shape for sample in samples).most_common(1)
    samples = [sample for sample in samples if sample.shape == shape]
    lines = [
        f"# benchmarks/convergence.py --minutes {options.minutes:g} --seed {options.seed}",
        "",
        f"{machine()}; {len(samples)} clips",
        "",
        "| row | transformer | steps | "
        + " | ".join(f"{kind} {level}" for kind in ("pictures", "clips") for level in LEVELS)
        + " |",
        "|---" * (3 + 2 * len(LEVELS)) + "|",
    ]
    lines += [learn(name, samples, action_names(videos), options.minutes, options.seed) for name in options.rows]
    publish("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
