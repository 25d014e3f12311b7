"""Latents to packed spacetime tokens and back."""

from patchworld.patches.packing import Pack, pack, unpack
from patchworld.patches.patchify import Embedding, PatchGrid, patchify, positions, unpatchify

__all__ = ["Embedding", "Pack", "PatchGrid", "pack", "patchify", "positions", "unpack", "unpatchify"]
