"""Do the verbs hold what they promise, on the shipped model or another?

    python benchmarks/verbs.py [--model DIR] [--clips 6] [--only seams floor drift simulate long] [--out FILE]

Joins are measured beside the 95th percentile of the steps inside real clips of the playroom, which has to be there
(pip install -e '.[sim,report]'). One thread: times are CPU seconds.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from measure import machine, publish

import patchworld
from patchworld import Clip, Sampling, verbs
from patchworld.playroom import play, sample_scene
from patchworld.shapes import Shape
from patchworld.vae import decode_clip, encode_clip
from patchworld.video.seams import FIGURES, SeamReport

SEED, FRAMES, SIZE = 91, 25, (64, 64)


def real(number: int) -> tuple[Clip, str]:
    """A clip of the playroom with its caption; shots without a cut."""
    episode = play(sample_scene(SEED, number, frames=FRAMES, size=SIZE, camera=("still", "orbits left")[number % 2]))
    return episode.clip, episode.captions[0].text


def steps(clips: list[Clip]) -> np.ndarray:
    """(n, 3) the jumps of all steps inside clips."""
    return np.concatenate(
        [[seam.jumps for seam in measured(clip.frames, range(2, len(clip.frames)))] for clip in clips]
    )


def measured(frames: np.ndarray, joins) -> list:
    report = SeamReport(list(joins), np.ones(len(frames), bool))
    for frame in frames:
        report.add(frame)
    return report.seams()


def seams(world, clips) -> Iterator[str]:
    """The joins of each verb, in shares of the limit: 1 is the 95th percentile inside real clips."""
    limit = np.percentile(steps([clip for clip, _ in clips]), 95, axis=0)
    figures = ", ".join(f"{name} {value:.2f}" for name, value in zip(FIGURES, limit, strict=True))
    yield f"95th percentile of {sum(len(clip.frames) - 2 for clip, _ in clips)} steps inside real clips: {figures}."
    yield ""
    yield "| verb | joins | within all three limits | " + " | ".join(f"median {name}" for name in FIGURES) + " |"
    yield "|---|---|---|---|---|---|"
    first, last = (lambda clip: Clip(clip.frames[:9], clip.fps)), (lambda clip: Clip(clip.frames[16:], clip.fps))
    made = {
        "extend": lambda clip, text: verbs.extend(first(clip), text, seconds=2),
        "extend backward": lambda clip, text: verbs.extend(last(clip), text, seconds=2, backward=True),
        "connect, two ends of one clip": lambda clip, text: verbs.connect(first(clip), last(clip), text, seconds=1),
        "retake": lambda clip, text: verbs.retake(clip, text, start=1.125, end=2.125),
        "loop of a clip": lambda clip, text: verbs.loop(text, clip=clip, seconds=2),
        "loop from words": lambda clip, text: verbs.loop(text, seconds=2),
    }
    for name, verb in made.items():
        found = []
        for number, (clip, text) in enumerate(clips):
            canvas = verb(clip, text)
            frames = world.dream(canvas, Sampling(number)).frames
            found += [seam.jumps / limit for seam in measured(frames, canvas.joins())]
        found = np.array(found)
        medians = " | ".join(f"{value:.2f}" for value in np.median(found, axis=0))
        yield f"| {name} | {len(found)} | {(found <= 1).all(1).sum()} | {medians} |"


def floor(world, clips) -> Iterator[str]:
    """The best that any transformer could do: the real continuation, as the autoencoder keeps it."""
    limit = np.percentile(steps([clip for clip, _ in clips]), 95, axis=0)
    yield "| the real continuation through | " + " | ".join(f"median {name}" for name in FIGURES) + " |"
    yield "|---|---|---|---|"
    every = world.autoencoder.latent_channels
    for channels, told in (
        (every, "all channels"),
        (world.latent_channels, f"the {world.latent_channels} dreamed ones"),
    ):
        found = []
        for clip, _ in clips:
            latent = encode_clip(world.autoencoder, clip)
            latent[channels:, 3:] = 0  # frames 0 to 8 are latent frames 0 to 2
            rebuilt = decode_clip(world.autoencoder, latent, Shape(*clip.frames.shape[:3]), clip.fps).frames
            frames = np.concatenate([clip.frames[:9], rebuilt[9:]])
            found.append(measured(frames, [9])[0].jumps / limit)
        yield f"| {told} | " + " | ".join(f"{value:.2f}" for value in np.median(found, axis=0)) + " |"


def drift(world, clips) -> Iterator[str]:
    """Ten extensions of a second, each from the file of the one before: the mean colour at each join."""
    import cv2

    yield "| clip | mean colour change at a join, CIE76 (ten joins) | largest | from first to last |"
    yield "|---|---|---|---|"
    for number, (clip, text) in enumerate(clips[:3]):
        whole, edges = Clip(clip.frames[:9], clip.fps), []
        for turn in range(10):
            edges.append(whole.num_frames)
            whole = world.dream(verbs.extend(whole, text, seconds=1), Sampling(number + turn))
        lab = [cv2.cvtColor(f.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).mean((0, 1)) for f in whole.frames]
        jumps = [float(np.linalg.norm(lab[edge] - lab[edge - 1])) for edge in edges]
        total = float(np.linalg.norm(np.mean(lab[-8:], 0) - np.mean(lab[:8], 0)))
        yield f"| {number} | {np.mean(jumps):.2f} | {max(jumps):.2f} | {total:.2f} |"


def simulate(world, clips) -> Iterator[str]:
    """Does a red ball go where it is pushed, and how fast does the world answer?"""
    from patchworld.scorecard.motion import path
    from patchworld.scorecard.reading import read

    names = ("push left", "push right")
    seeds = 2 * len(clips)
    for told, press in (
        ("held down for two seconds", [True] * 16),
        ("pressed for two frames of four", [True, True, False, False] * 4),
    ):
        right = wrong = spent = frames = 0
        for number in range(seeds):
            past = world.generate("a red ball on stone, day", frames=1, seed=number)
            actions = [names[number % 2] if pressed else "none" for pressed in press]
            canvas = verbs.simulate("a red ball on stone, day", actions=actions, past=past)
            begun = time.process_time()
            made = world.dream(canvas, Sampling(number, steps=8, guidance=1, window=4))
            spent += time.process_time() - begun
            frames += len(press)
            seen = read(made)
            x = path(seen, "red")[:, 0]
            x = x[~np.isnan(x)]
            went = (x[-1] - x[0]) / seen.side * (-1 if number % 2 == 0 else 1) if len(x) else 0.0
            right, wrong = right + (went > 0.1), wrong + (went < -0.1)
        yield (
            f"{told}: of {seeds} balls {right} go where they are pushed, {wrong} the other way; "
            f"{frames / spent:.1f} frames a CPU second, 8 steps."
        )


def long(world, clips) -> Iterator[str]:
    """A minute at 8 frames a second: what the operating system counts as memory after 10 and after 60 seconds."""
    unit = 1 if sys.platform == "darwin" else 1024
    begun, peaks = time.process_time(), []
    canvas = verbs.generate("a red ball on grass, day", frames=481, size=SIZE)
    for number, _ in enumerate(world.stream(canvas, Sampling(steps=8)), start=1):
        if number in (81, 481):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
    spent = time.process_time() - begun
    yield f"60 s in {spent:.0f} CPU seconds, 8 steps; peak {peaks[0]:.0f} MB after 10 s, {peaks[1]:.0f} MB after 60."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--clips", type=int, default=6)
    parts = {"seams": seams, "floor": floor, "drift": drift, "simulate": simulate, "long": long}
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    world = patchworld.load(args.model)
    clips = [real(number) for number in range(args.clips)]
    lines = ["# benchmarks/verbs.py", "", f"{machine()}. Model {world.hash}, {args.clips} real clips of the playroom."]
    for name in args.only:
        lines += ["", f"## {name}", "", *parts[name](world, clips)]
    publish("\n".join(lines), args.out)


if __name__ == "__main__":
    main()
