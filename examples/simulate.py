"""Simulate: the world answers to what is done, frame by frame, as fast as it is watched.

`patchworld simulate "a red ball on grass" -o played.mp4` is the same with the arrow keys of a terminal.
"""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
past = world.generate("a red ball on grass", frames=5, steps=8)
actions = ["push left"] * 8 + ["none"] * 4
canvas = verbs.simulate("a red ball on grass", actions=actions, past=past)
live = Sampling(steps=8, guidance=1, window=4)  # a block of four frames at a time
frames = []
for frame in world.stream(canvas, live):  # each frame as soon as it is known
    frames.append(frame)
print(len(frames), "frames;", world.dream(canvas, live).save("played.mp4"))
assert (world.dream(canvas, live).frames[-1] == frames[-1]).all()
