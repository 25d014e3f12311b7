"""Which embedding of video, which attention and how much of the latent learn most from equal compute?

    python benchmarks/embeddings.py --data DIR [--autoencoder DIR] [--minutes M] [--clips N] [--options NAME ...]
                                    [--prompts N] [--latents DIR] [--out FILE]

Trains a transformer of the preset `small` with each option: one thread, M minutes of process CPU time each, the same
latents (encoded once, kept beside the data) of clips of up to 80 tubelets (17 frames of 64 x 64), the same tokens a
step, the same seed. Two figures:

error       of the clean latent that the model points to from noise levels 0.3, 0.6 and 0.9, on clips held out, always
            with the same noise: squared, over all voxels and channels of the latent, as a share of its variance. So all
            options are compared in one unit: frames that were not sampled count with the error of those that are put in
            their places, channels that are not dreamed with all they hold. Lower is better.
answers     to the quick questions of the scorecard, N prompts of each kind; --prompts 0 leaves them out

At 64 x 64 and 17 frames a clip is 5 x 4 x 4 tokens, so the box of window attention here is 5 x 2 x 2.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from measure import machine, publish
from torch import nn
from tqdm import tqdm

from patchworld.data import LatentSample, encode_dataset, read_dataset
from patchworld.diffusion import RectifiedFlow
from patchworld.dit import PRESETS
from patchworld.generate import Sampling, predict
from patchworld.model import DEFAULT, load_autoencoder
from patchworld.patches import pack, patchify, positions, unpatchify
from patchworld.scorecard import QUESTIONS, QUICK, dreaming, examine
from patchworld.scorecard.examination import MODEL
from patchworld.scorecard.tally import count
from patchworld.shapes import Grid
from patchworld.train import TrainConfig, TransformerTask
from patchworld.train.loop import add_gradients, averaged, learning_rate, mean, update_average
from patchworld.train.order import generator
from patchworld.train.transformer import new_model
from patchworld.vae import Autoencoder

OPTIONS: dict[str, dict] = {
    "tubelets of 1 frame, full": {},
    "tubelets of 2 frames, full": {"patch_time": 2},
    "1 frame in 2, full": {"patch_time": 2, "embedding": "frames"},
    "tubelets of 1 frame, factorised": {"attention": "factorised"},
    "tubelets of 1 frame, window": {"attention": "window", "window": (5, 2, 2)},
    "16 channels": {"latent_channels": 16},
    "64 channels": {"latent_channels": 64},
    "plain velocity": {"linear_guess": False},
}
LEVELS = (0.3, 0.6, 0.9)
LARGEST = 80  # latent patches of a clip
TOKENS_PER_PACK = 320  # small packs: in a few minutes the number of steps counts


def train_for(task: TransformerTask, minutes: float) -> tuple[dict[str, torch.Tensor], int, float]:
    """Train for minutes of process CPU time. Returns the averaged weights, the steps, and tokens a second."""
    config = TrainConfig(minutes=minutes)
    parameters = list(task.module.parameters())
    optimizer = torch.optim.AdamW(parameters, config.lr, config.betas, weight_decay=config.weight_decay, fused=True)
    average = {name: tensor.detach().clone() for name, tensor in task.module.state_dict().items()}
    started, step, seen = time.process_time(), 0, 0
    with ThreadPoolExecutor(1) as pool, tqdm(unit=" steps") as bar:
        while (spent := time.process_time() - started) < 60 * minutes:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, step, spent)
            losses, tokens, *_ = add_gradients(task, step, parameters, config.precision, pool)
            nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            update_average(average, task.module, min(config.ema_decay, (1 + step) / (10 + step)))
            step, seen = step + 1, seen + tokens
            bar.set_postfix_str(f"loss {mean(losses):.3f}", refresh=False)
            bar.update()
    return average, step, seen / spent


@torch.no_grad()
def held_out_errors(task: TransformerTask) -> list[float]:
    """The error of the clean latent from each of the LEVELS, as a share of the variance of the latents."""
    wrong, there = torch.zeros(len(LEVELS)), 0.0
    for number, sample in enumerate(task.held_out):
        latent, patch = sample.latent(), task.patch
        clean = latent[: task.denoiser.config.latent_channels]
        noise = torch.randn(clean.shape, generator=generator(0, number))
        shape = sample.shape.divided(patch)
        places = positions(shape, (task.autoencoder.grid * patch).time / sample.fps)
        text = task.text_encoder([sample.captions[0]])
        for place, value in enumerate(LEVELS):
            level = torch.full((shape.volume,), value)
            noisy = task.process.corrupt(patchify(clean, patch), patchify(noise, patch), level)
            prediction = predict(task, pack([noisy], [places], [shape]), level, text)
            tokens = task.process.clean_estimate(prediction, noisy, level)
            estimate = unpatchify(tokens, shape, patch)[:, : clean.shape[1]]
            wrong[place] += (estimate - clean).square().sum()
            wrong[place] += latent[len(clean) :].square().sum()
        there += float((latent - latent.mean((1, 2, 3), keepdim=True)).square().sum())
    return (wrong / there).tolist()


def row(name: str, samples: list[LatentSample], autoencoder: Autoencoder, minutes: float, prompts: int) -> list[str]:
    """Train one option and ask it everything."""
    sizes, process = {**PRESETS["small"], **OPTIONS[name]}, RectifiedFlow()
    names = action_names_of(samples)
    model = new_model(samples, autoencoder, process, sizes, {}, names, seed=0)
    task = TransformerTask(samples, model, 0, TOKENS_PER_PACK)
    average, steps, speed = train_for(task, minutes)
    tokens = sum(shape.volume for shape in task.shapes) / len(task.shapes)
    with averaged(task.module, average), torch.autocast("cpu", torch.bfloat16):
        task.module.eval()
        errors = held_out_errors(task)
        dream = partial(dreaming, task.model(), Sampling())
        counts = count(examine(dream, QUICK, prompts, QUESTIONS)) if prompts else {}
    answers = ", ".join(f"{question} {by[MODEL].right}/{by[MODEL].asked}" for question, by in counts.items())
    return [
        name,
        f"{tokens:.0f}",
        str(steps),
        f"{speed / tokens:.2f}",
        *(f"{error:.4f}" for error in errors),
        answers or "-",
    ]


def action_names_of(samples: list[LatentSample]) -> tuple[str, ...]:
    return tuple(sorted({name for sample in samples for done in sample.actions or () for name in done}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, default=DEFAULT)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clips", type=int, help="the first so many; default all")
    parser.add_argument("--options", nargs="+", choices=OPTIONS, default=list(OPTIONS), metavar="NAME")
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--latents", type=Path, help="where latents are kept; default DATA/latents")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    autoencoder = load_autoencoder(options.autoencoder)
    videos = read_dataset(options.data)[: options.clips]
    cache = options.latents or options.data / "latents"
    samples = encode_dataset(videos, autoencoder, autoencoder.grid * Grid(1, 2), cache, lambda s: tqdm(s, "encoding"))
    samples = [sample for sample in samples if sample.shape.divided(Grid(1, 2)).volume <= LARGEST]
    titles = [
        "option",
        "tokens a clip",
        "steps",
        "clips a second",
        *(f"error at {level}" for level in LEVELS),
        "answers",
    ]
    rows = [titles, ["---"] * len(titles)]
    for name in options.options:
        rows.append(row(name, samples, autoencoder, options.minutes, options.prompts))
        print(*rows[-1], sep=" | ", flush=True)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    about = f"{len(samples)} clips, {options.minutes:g} minutes of CPU time for each option"
    publish(f"# benchmarks/embeddings.py\n\n{machine()}\n\n{about}\n\n{table}", options.out)


if __name__ == "__main__":
    main()
