"""A long video, frame by frame into a file: memory does not grow. A minute is frames=481; here it is ten seconds."""

import patchworld
from patchworld import Sampling, verbs
from patchworld.video import Writer

world = patchworld.load()
sampling = Sampling(steps=4)
canvas = verbs.generate("a red ball on grass, day", frames=81, changes=[(40, "a red ball on grass, night")])
with Writer("long.mp4", canvas.size, canvas.fps, recipe=world.recipe(canvas, sampling)) as writer:
    for frame in world.stream(canvas, sampling):
        writer.add(frame)
print("long.mp4")
