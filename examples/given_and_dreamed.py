"""The one idea: some spacetime is given, the rest is dreamed. Here the first frame is given."""

from dataclasses import replace

import patchworld
from patchworld import Canvas, Clip, Condition, Sampling
from patchworld.video import contact_sheet

world = patchworld.load()
prompt = "a yellow ball rolls to the right on sand"
picture = world.generate(prompt, frames=1, seed=5)

canvas = Canvas(prompt, frames=17, size=picture.size, conditions=(Condition(picture),))
animated = world.dream(canvas, Sampling(seed=5))

end = Clip(animated.frames[-5:], animated.fps)
extended = world.dream(replace(canvas, conditions=(Condition(end),)), Sampling(seed=6))
contact_sheet([picture, animated, extended], "given_and_dreamed.png", labels=["given", "dreamed from it", "and on"])
print("given_and_dreamed.png")
