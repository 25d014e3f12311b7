"""The playroom: the bundled physical world, with exact captions, actions and state.

grammar.py draws a `Scene` from a seed; episode.py plays it, in physics (world.py) and pictures (render.py); captions.py
says what happens in English and Chinese; verify.py makes sure that it did; dataset.py writes a data set of many.
"""

from patchworld.playroom.actions import ACTIONS
from patchworld.playroom.captions import Caption, captions
from patchworld.playroom.dataset import DEFAULT_MIX, SizeShare, write_dataset
from patchworld.playroom.episode import Episode, play
from patchworld.playroom.grammar import sample_scene
from patchworld.playroom.scene import Scene

__all__ = [
    "ACTIONS",
    "DEFAULT_MIX",
    "Caption",
    "Episode",
    "Scene",
    "SizeShare",
    "captions",
    "play",
    "sample_scene",
    "write_dataset",
]
