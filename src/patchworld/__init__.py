"""patchworld, an open Sora: a text-to-video world simulator made of spacetime patches."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patchworld.canvas import Canvas, Condition
    from patchworld.errors import PatchworldError
    from patchworld.generate import Sampling
    from patchworld.model import Model, load
    from patchworld.video import Clip, read

__version__ = "0.1.0"
__all__ = ["Canvas", "Clip", "Condition", "Model", "PatchworldError", "Sampling", "load", "read"]

_HOMES = {
    "Canvas": "canvas",
    "Clip": "video",
    "Condition": "canvas",
    "Model": "model",
    "PatchworldError": "errors",
    "Sampling": "generate",
    "load": "model",
    "read": "video",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first asked for: `patchworld --help` must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'patchworld' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"patchworld.{_HOMES[name]}"), name)
