"""Loop: a video from words that begins again where it ends, and a clip led back to its start."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
loop = world.dream(verbs.loop("a blue ball on stone, the camera orbits to the left", seconds=2), Sampling(steps=8))
print(loop.save("loop.gif"))

clip = world.generate("a red ball rolls to the left on grass", steps=8)
closed = world.dream(verbs.loop("a red ball rolls on grass", clip=clip, seconds=1), Sampling(steps=8))
print(closed.save("closed.gif"))
