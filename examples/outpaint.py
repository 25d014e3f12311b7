"""Outpaint: a clip in a wider frame."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
clip = world.generate("a red ball rolls to the left on grass", frames=9, steps=8)
wide = world.dream(verbs.outpaint(clip, "a red ball and a blue cube on grass", size=(128, 64)), Sampling(steps=8))
assert (wide.frames[:, :, 32:96] == clip.frames).all()
print(wide.save("wide.mp4"))
