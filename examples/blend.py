"""Blend: one clip becomes another while both are seen; the curve says how much of the second, when."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
grass = world.generate("a red ball rolls to the left on grass", steps=8)
snow = world.generate("a blue ball rolls to the left on snow", steps=8)
curve = [(0.0, 0.0), (0.3, 0.2), (0.7, 0.8), (1.0, 1.0)]
canvas = verbs.blend(grass, snow, "a ball rolls to the left", curve=curve)
print(world.dream(canvas, Sampling(steps=8)).save("blended.mp4"))
