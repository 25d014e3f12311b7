"""What has the model understood? A first look by colour, until a real scorecard stands.

    python benchmarks/first_look.py [MODEL]

On stone by day, six colours can be told apart by hue alone. The same questions are asked of real renders in the same
run: where those fail, the judge is wrong and not the model. Guessing answers one colour in six, one direction in two.
"""

import colorsys
import itertools
import sys

import numpy as np

import patchworld
from patchworld.playroom import play, sample_scene
from patchworld.video import Clip

HUES = {
    "red": (350, 12),
    "orange": (13, 38),
    "yellow": (44, 66),
    "green": (90, 160),
    "blue": (205, 250),
    "purple": (262, 310),
}
SMALLEST = 12  # pixels that count as a thing


def places(frame: np.ndarray) -> dict[str, tuple[float, int]]:
    """Colours in a frame (h, w, 3): mean column of their pixels and their number."""
    pixels = frame.reshape(-1, 3) / 255
    hsv = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in pixels]).reshape(*frame.shape[:2], 3)
    hue, strong = hsv[..., 0] * 360, (hsv[..., 1] > 0.55) & (hsv[..., 2] > 0.25)
    found = {}
    for name, (low, high) in HUES.items():
        inside = (hue >= low) & (hue < high) if low < high else (hue >= low) | (hue < high)
        mask = inside & strong
        if mask.sum() >= SMALLEST:
            found[name] = (float(np.nonzero(mask)[1].mean()), int(mask.sum()))
    return found


def main_colours(clip: Clip, number: int) -> set[str]:
    """The colours that fill most pixels of the first frame."""
    found = places(clip.frames[0])
    return set(sorted(found, key=lambda name: -found[name][1])[:number])


def direction(clip: Clip, colour: str) -> str | None:
    """Where the things of a colour go between the first frame and the last that shows them."""
    columns = [place[colour][0] for place in map(places, clip.frames) if colour in place]
    if len(columns) < 2 or abs(columns[-1] - columns[0]) < 3:
        return None
    return "left" if columns[-1] < columns[0] else "right"


def side(clip: Clip, first: str, second: str) -> str | None:
    """On which side of the second colour the first begins."""
    found = places(clip.frames[0])
    if not {first, second} <= found.keys():
        return None
    return "left" if found[first][0] < found[second][0] else "right"


def tally(answers: list[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    """For every question how many answers are right, and how many there are."""
    asked: dict[str, list[bool]] = {}
    for question, answer in answers:
        asked.setdefault(question, []).append(answer)
    return {question: (sum(given), len(given)) for question, given in asked.items()}


def report(name: str, answers: list[tuple[str, bool]]) -> None:
    """Print the share of right answers for every question."""
    for question, (right, asked) in tally(answers).items():
        print(f"{name:14}{question:34}{right:4} of {asked}", flush=True)


def judge_rolling(clip: Clip, colour: str, way: str) -> list[tuple[str, bool]]:
    return [
        ("colour of one ball", main_colours(clip, 1) == {colour}),
        ("its direction", direction(clip, colour) == way),
    ]


def judge_pair(clip: Clip, first: str, second: str, where: str) -> list[tuple[str, bool]]:
    both = main_colours(clip, 2) == {first, second}
    return [("both colours of two things", both), ("left or right of", side(clip, first, second) == where)]


def real_answers(number: int = 24) -> list[tuple[str, bool]]:
    """The same questions about renders whose truth is known."""
    answers: list[tuple[str, bool]] = []
    wanted = {"rolling": number, "pair": number}
    for index in itertools.count():
        if not any(wanted.values()):
            return answers
        event = ("rolls to the left", "rolls to the right", "rests")[index % 3]
        scene = sample_scene(77, index, frames=17, size=(64, 64), event=event, camera="still")
        names = [thing.colour for thing in scene.things]
        if (scene.ground, scene.light) != ("stone", "day") or not set(names) <= HUES.keys() or scene.props:
            continue
        if event != "rests" and len(names) == 1 and wanted["rolling"]:
            wanted["rolling"] -= 1
            answers += judge_rolling(play(scene).clip, names[0], event.split()[-1])
        relation = scene.relation.split()[-2] if scene.relation.startswith("to the") else ""
        if event == "rests" and relation and len(set(names)) == 2 and scene.count == 1 and wanted["pair"]:
            wanted["pair"] -= 1
            answers += judge_pair(play(scene).clip, names[0], names[1], relation)


def model_answers(world: patchworld.Model, seeds: int = 4) -> list[tuple[str, bool]]:
    """Six colours, two directions, and pairs of colours in both orders, all in combinations seen in training."""
    answers: list[tuple[str, bool]] = []
    for seed, colour, way in itertools.product(range(seeds), HUES, ("left", "right")):
        clip = world.generate(f"a {colour} ball rolls to the {way} on stone by day", seed=seed)
        answers += judge_rolling(clip, colour, way)
    pairs = [pair for pair in itertools.permutations(HUES, 2) if "orange" not in pair]
    for number, (first, second) in enumerate(pairs * (seeds // 2)):
        where = ("left", "right")[number % 2]
        clip = world.generate(f"a {first} ball to the {where} of a {second} ball on stone by day", seed=number)
        answers += judge_pair(clip, first, second, where)
    return answers


if __name__ == "__main__":
    report("real renders", real_answers())
    report("the model", model_answers(patchworld.load(sys.argv[1] if len(sys.argv) > 1 else None)))
