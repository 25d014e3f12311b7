"""Retake: a span of time is dreamed anew, by another prompt and seed; the rest stays."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
clip = world.generate("a red ball rolls to the left on grass", steps=8)
retaken = world.dream(verbs.retake(clip, "a red ball falls and bounces on grass", start=0.5, end=1.5), Sampling(7, 8))
changed = (retaken.frames != clip.frames).any((1, 2, 3))
assert not changed[:4].any()
assert not changed[12:].any()
print(retaken.save("retaken.mp4"))
