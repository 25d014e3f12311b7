"""Extend: what comes after a clip, and what came before it."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
clip = world.generate("a red ball rolls to the left on grass", steps=8)
longer = world.dream(verbs.extend(clip, "a red ball rolls to the left on grass", seconds=1), Sampling(steps=8))
earlier = world.dream(verbs.extend(clip, "a red ball on grass", seconds=1, backward=True), Sampling(steps=8))
assert (longer.frames[:17] == clip.frames).all()
assert (earlier.frames[8:] == clip.frames).all()
print(longer.save("longer.mp4"), earlier.save("earlier.mp4"))
