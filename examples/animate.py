"""Animate: an image moves, with a frame on the way and a last one if you like."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
image = world.generate("a yellow ball on sand", frames=1, seed=5)
canvas = verbs.animate(image, "a yellow ball rolls to the right on sand", frames=17)
print(world.dream(canvas, Sampling(steps=8)).save("animated.mp4"))

there_and_back = verbs.animate(image, "a yellow ball rolls on sand", frames=17, last=image)
print(world.dream(there_and_back, Sampling(steps=8)).save("there_and_back.mp4"))
