"""Inpaint: what a mask paints white is dreamed anew; the rest stays. The mask is a picture or a video."""

import numpy as np

import patchworld
from patchworld import Clip, Sampling, verbs

world = patchworld.load()
clip = world.generate("a red ball rolls to the left on grass", steps=8)
mask = np.zeros((1, 64, 64, 3), np.uint8)
mask[:, :, 32:] = 255
painted = world.dream(verbs.inpaint(clip, Clip(mask, 1), "a blue cube on grass"), Sampling(steps=8))
assert (painted.frames[:, :, :32] == clip.frames[:, :, :32]).all()
print(painted.save("painted.mp4"))
