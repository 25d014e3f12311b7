"""At which noise levels is understanding lost? Real renders get noise up to a level, and are dreamed on from there.

    python benchmarks/levels.py [--model DIR] [--prompts 25] [--steps 8] [--out FILE]

Each clip is told its own prompt, and the referee of the scorecard asks what it asks of dreams. From level 1 on it is a
dream like any other; what is still wrong from a low level on is not a matter of words.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import torch
from measure import machine, publish

from patchworld.denoise import Sampling
from patchworld.model import load
from patchworld.scorecard.prompts import SUITES
from patchworld.scorecard.questions import QUESTIONS
from patchworld.scorecard.reading import read
from patchworld.scorecard.worlds import rendered
from patchworld.verbs import restyle

LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
KINDS = ("rests", "rolls", "pies", "candles")
ASKED = ("colours", "nothing else", "shapes", "relation", "pie", "candle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=25, help="of each kind of scene")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(options.model)
    right: dict[tuple[str, float], list[bool]] = defaultdict(list)
    for suite in SUITES:
        for number in range(options.prompts if suite.name in KINDS else 0):
            prompt = suite.prompt(number)
            clip = rendered(prompt)
            asked = [question for question in QUESTIONS if question.name in ASKED and question.asks(prompt)]
            for level in LEVELS:
                canvas = restyle(clip, prompt.text, strength=level, size=clip.size)
                reading = read(model.dream(canvas, Sampling(seed=number, steps=options.steps)))
                for question in asked:
                    right[question.name, level].append(question.judge(reading, prompt.scene).right)
    lines = [f"# benchmarks/levels.py --prompts {options.prompts} --steps {options.steps}", "", machine(), ""]
    lines += ["| share right, dreamed from level | " + " | ".join(f"{level:g}" for level in LEVELS) + " | asked |"]
    lines += ["|---" * (len(LEVELS) + 2) + "|"]
    for name in ASKED:
        shares = [100 * sum(right[name, level]) / len(right[name, level]) for level in LEVELS]
        cells = " | ".join(f"{share:.0f}" for share in shares)
        lines.append(f"| {name} | {cells} | {len(right[name, 1.0])} |")
    publish("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
