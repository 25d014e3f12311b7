"""One shot: what is under the camera, what moves above it, how camera and light change."""

from dataclasses import dataclass
from pathlib import Path

CAMERAS = ("is still", "pans", "zooms in", "zooms out", "turns", "pans and zooms in", "pans and zooms out", "roams")
LIGHTS = ("steady", "brightens", "darkens", "flickers")


@dataclass(frozen=True)
class Shot:
    """What is seen between two cuts. `source`: a photograph or a key of PATTERNS. `key` addresses all other chance."""

    key: tuple[int, ...]
    source: str | Path
    colours: tuple[str, ...]
    size: tuple[int, int]
    num_frames: int
    camera: str
    above: tuple[str, ...]  # a form of FORMS for each thing that flies above, or the words
    light: str
