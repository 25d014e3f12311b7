"""Restyle: the same video by another prompt, from subtle to full; several variations at once."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
clip = world.generate("a red ball rolls to the left on grass, day", frames=9, steps=8)
for strength in (0.3, 0.6, 0.9):
    canvas = verbs.restyle(clip, "a red ball rolls to the left on snow, night", strength=strength)
    print(world.dream(canvas, Sampling(steps=8)).save(f"restyled-{strength:g}.mp4"))
