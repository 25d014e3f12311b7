"""Latents to packed spacetime tokens and back."""

from patchworld.patches.packing import Pack, pack, unpack
from patchworld.patches.patchify import patchify, positions, unpatchify

__all__ = ["Pack", "pack", "patchify", "positions", "unpack", "unpatchify"]
