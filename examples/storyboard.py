"""Storyboard: timed cards with words and pictures; the ball stays the same across the cut."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
snow = world.generate("a blue ball on snow", frames=1)
cards = [
    {"at": 0, "prompt": "grass, day"},
    {"at": 1, "clip": snow, "prompt": "snow"},
    {"at": 2, "prompt": "night", "cut": False},  # goes over into night instead of beginning a new shot
]
canvas = verbs.storyboard(cards, seconds=3, things="a blue ball")
print(world.dream(canvas, Sampling(steps=8)).save("storyboard.mp4"))
