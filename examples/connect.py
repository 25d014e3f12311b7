"""Connect: a way from the end of one clip to the start of another."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
day = world.generate("a red ball on grass, day", frames=9, steps=8)
night = world.generate("a red ball on grass, night", frames=9, steps=8)
connected = world.dream(verbs.connect(day, night, "a red ball on grass, night falls", seconds=1), Sampling(steps=8))
assert (connected.frames[17:] == night.frames).all()
print(connected.save("connected.mp4"))
