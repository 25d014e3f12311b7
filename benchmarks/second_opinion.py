"""Does a model that learned from the referee draw better shapes, or shapes that the referee likes?

    python benchmarks/second_opinion.py [--prompts 24] [--out FILE] [MODEL ...]

Pictures of the scorecard's prompts are read by the referee and by a second reader that no training has heard: nearest
neighbours among things of renders of other seeds, silhouette and shading in 12 x 12 cells. Models are folders; without
any, the shipped one. All of them dream from the same noise.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from measure import machine, publish

from patchworld import Canvas, load
from patchworld.model import Model
from patchworld.scorecard import SUITES, Prompt, Reading, read, rendered
from patchworld.scorecard.reading import Blob
from patchworld.train.judged import Dreams
from patchworld.train.order import generator

KINDS = ("rests", "rolls", "hits", "candles")
RENDERS = 2**43  # the seed of the renders that the second reader knows
KNOWN, TRIED = 125, 25  # prompts of each kind that it knows, and that it is tried on
CELLS, NEIGHBOURS, NOISES = 12, 7, 4


def look(blob: Blob) -> np.ndarray:
    """What the second reader sees of a thing: its silhouette and shading in a square around it, and its proportions."""
    height, width = blob.mask.shape
    side = max(height, width)
    shade = blob.pixels.astype(np.float32).mean(-1)
    shade = np.where(blob.mask, (shade - np.median(shade[blob.mask])) / 40, 0)
    square = np.zeros((2, side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = blob.mask, 0.5 * shade
    cells = torch.nn.functional.interpolate(torch.from_numpy(square)[None], (CELLS, CELLS), mode="bilinear")
    return np.concatenate([cells.numpy().ravel(), [2 * width / side, 2 * height / side]])


def things(reading: Reading, prompt: Prompt) -> list[tuple[str, Blob | None]]:
    """The shape that each thing should have, and the thing, where its colour tells which it is."""
    colours = [thing.colour for thing in prompt.scene.things]
    alone = [thing for thing in prompt.scene.things if colours.count(thing.colour) == 1]
    return [(thing.shape, next(iter(reading.of(thing.colour, 0)), None)) for thing in alone]


def of_renders(number: int, first_seed: int) -> tuple[list[str], np.ndarray]:
    """The shapes of things in renders, and their looks (n, values)."""
    prompts = [suite.prompt(n, first_seed) for suite in SUITES if suite.name in KINDS for n in range(number)]
    found = [pair for prompt in prompts for pair in things(read(rendered(prompt)), prompt)]
    return [shape for shape, blob in found if blob], np.stack([look(blob) for _, blob in found if blob])


def of_dreams(model: Model, number: int) -> list[tuple[str, Blob | None]]:
    """The things of pictures, NOISES of each prompt."""
    found = []
    for suite in (suite for suite in SUITES if suite.name in KINDS):
        for n in range(number):
            prompt = suite.prompt(n)
            canvas = Canvas(prompt.text, 1, (prompt.scene.width, prompt.scene.height))
            dreams = Dreams(model, [canvas] * NOISES)
            for clip in dreams.clips(dreams.dream(generator(0, n))):
                found += things(read(clip), prompt)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL")
    parser.add_argument("--prompts", type=int, default=24, help="of each kind of scene")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shapes, known = of_renders(KNOWN, RENDERS)

    def second(seen: np.ndarray) -> str:
        nearest = np.square(known - seen).sum(1).argsort()[:NEIGHBOURS]
        names, votes = np.unique([shapes[place] for place in nearest], return_counts=True)
        return str(names[votes.argmax()])

    others, looks = of_renders(TRIED, 2 * RENDERS)
    right = 100 * np.mean([second(seen) == shape for shape, seen in zip(others, looks, strict=True)])
    lines = [f"# benchmarks/second_opinion.py --prompts {options.prompts}", "", machine(), ""]
    lines += [
        f"The second reader knows {len(known)} things of renders and is right about {right:.1f} % of {len(others)}."
    ]
    lines += ["", "| shapes right, % | referee | second reader | both | things |", "|---|---|---|---|---|"]
    for folder in options.models or [None]:
        found = of_dreams(load(folder), options.prompts)
        answers = [
            (blob.shape[0] == shape, second(look(blob)) == shape) if blob else (False, False) for shape, blob in found
        ]
        referee, other = np.array(answers).T
        shares = " | ".join(f"{100 * one.mean():.1f}" for one in (referee, other, referee & other))
        lines.append(f"| {folder.parent.name if folder else 'shipped'} | {shares} | {len(found)} |")
    publish("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
