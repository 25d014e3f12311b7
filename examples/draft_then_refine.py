"""Draft small and fast, choose, then dream the same video larger."""

import patchworld
from patchworld import Sampling, verbs

world = patchworld.load()
prompt = "a red ball rolls to the left on grass"
drafts = [world.generate(prompt, frames=9, steps=4, seed=seed) for seed in range(3)]
chosen = drafts[1]
print(world.dream(verbs.refine(chosen, prompt, size=(128, 128)), Sampling(steps=8)).save("refined.mp4"))
