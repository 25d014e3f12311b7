"""The grammar of the playroom: its words, and `sample_scene`, which draws a scene whose event really happens."""

from patchworld.errors import InputError
from patchworld.playroom.draw import CUT_EVENTS, EVENT_ODDS, FRAMES_OF_CUT, draw_scene
from patchworld.playroom.scene import (
    CAMERAS,
    COLOURS,
    CUTS,
    EVENTS,
    GROUNDS,
    HELD_OUT,
    LIGHTS,
    PROPS,
    RELATIONS,
    SHAPES,
    SPLITS,
    Prop,
    Scene,
    Shot,
    Thing,
)

__all__ = [
    "CAMERAS",
    "COLOURS",
    "CUTS",
    "EVENTS",
    "GROUNDS",
    "HELD_OUT",
    "LIGHTS",
    "PROPS",
    "RELATIONS",
    "SHAPES",
    "SPLITS",
    "Prop",
    "Scene",
    "Shot",
    "Thing",
    "sample_scene",
]

MAX_ATTEMPTS = 200
SMALLEST_SIDE, LARGEST_SIDE = 32, 256


def sample_scene(
    seed: int,
    index: int,
    *,
    split: str = "train",
    frames: int,
    size: tuple[int, int],
    event: str | None = None,
    camera: str | None = None,
    cut: str | None = None,
) -> Scene:
    """The scene number `index` of the world `seed`: always the same, whoever asks.

    `size` is (width, height) in pixels. `event`, `camera` and `cut`, the view of a second shot, fix what would be
    drawn. Candidates whose physics does not do what the caption will say are replaced by the next candidate. Split
    "train" never shows a held-out thing, split "held_out" always shows one.
    """
    check(split, frames, size, event, camera, cut)
    from patchworld.playroom.verify import happened
    from patchworld.playroom.world import simulate

    for attempt in range(MAX_ATTEMPTS):
        scene = draw_scene(
            seed, index, attempt, split=split, frames=frames, size=size, event=event, camera=camera, cut=cut
        )
        if has_held_out(scene) == (split == "held_out") and happened(scene, simulate(scene)):
            return scene
    raise InputError(
        f"no scene in which it '{event}' with camera '{camera}' in {frames} frames of split '{split}' was found: "
        "give more frames or another event"
    )


def has_held_out(scene: Scene) -> bool:
    """Whether `scene` shows a purple cube or an orange cylinder."""
    return any(thing.held_out for thing in scene.things)


def check(
    split: str,
    frames: int,
    size: tuple[int, int],
    event: str | None,
    camera: str | None = None,
    cut: str | None = None,
) -> None:
    """Raise InputError for a scene that cannot be drawn."""
    words = (("split", split, SPLITS), ("event", event, EVENTS), ("camera", camera, CAMERAS), ("cut", cut, CUTS))
    for name, value, known in words:
        if value is not None and value not in known:
            raise InputError(f"unknown {name} '{value}'. Known: {', '.join(known)}")
    if cut is not None:
        if event is not None and event not in CUT_EVENTS:
            raise InputError(f"no cut is made where it '{event}': choose from {', '.join(CUT_EVENTS)}")
        if camera not in (None, "still"):
            raise InputError(f"a camera that '{camera}' and a cut do not go together: choose one of the two")
        if frames < FRAMES_OF_CUT:
            raise InputError(f"a cut needs {FRAMES_OF_CUT} frames or more, not {frames}")
    if min(size) < SMALLEST_SIDE or max(size) > LARGEST_SIDE:
        raise InputError(
            f"size {size[0]}x{size[1]} is outside {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side: choose another"
        )
    if frames < 1:
        raise InputError(f"{frames} frames is too few: give 1 or more")
    if event is not None and frames < EVENT_ODDS[event][1]:
        raise InputError(f"'{event}' needs {EVENT_ODDS[event][1]} frames or more, not {frames}")
