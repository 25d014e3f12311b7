import numpy as np
import pytest

from patchworld.errors import InputError
from patchworld.playroom.draw import _dress
from patchworld.playroom.grammar import CAMERAS, CUTS, EVENTS, HELD_OUT, has_held_out, sample_scene
from patchworld.playroom.scene import Thing
from patchworld.playroom.world import simulate


def test_the_same_seed_and_index_give_the_same_scene() -> None:
    assert sample_scene(3, 5, frames=17, size=(64, 64)) == sample_scene(3, 5, frames=17, size=(64, 64))


def test_other_indices_give_other_scenes() -> None:
    assert len({sample_scene(3, i, frames=9, size=(64, 64)) for i in range(12)}) == 12


def test_train_split_never_has_held_out_things() -> None:
    for index in range(60):
        scene = sample_scene(0, index, frames=9, size=(64, 64))
        assert not any((thing.colour, thing.shape) in HELD_OUT for thing in scene.things)
        assert not any(prop.colour == "purple" for prop in scene.props)  # a tower's blocks are cubes


def test_held_out_split_always_has_a_held_out_thing() -> None:
    scenes = [sample_scene(0, index, split="held_out", frames=17, size=(64, 64)) for index in range(25)]
    assert all(has_held_out(scene) for scene in scenes)
    assert len({scene.event for scene in scenes}) > 3


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("frames", "size"), [(17, (64, 64)), (13, (112, 64)), (33, (64, 112))])
def test_every_event_can_be_had_at_every_shape(event: str, frames: int, size: tuple[int, int]) -> None:
    scene = sample_scene(1, 0, frames=frames, size=size, event=event)
    assert (scene.event, scene.frames, scene.width, scene.height) == (event, frames, *size)


@pytest.mark.parametrize("cut", CUTS)
def test_the_view_that_is_cut_to_can_be_fixed(cut: str) -> None:
    scene = sample_scene(1, 0, frames=17, size=(64, 64), cut=cut)
    assert (scene.camera, len(scene.shots), scene.shots[1].view) == ("still", 2, cut)


@pytest.mark.parametrize(
    ("frames", "event", "camera", "rule"),
    [
        (9, "rests", None, "17 frames or more"),
        (17, "rests", "pans left", "do not go together"),
        (17, "is pushed", None, "no cut is made where"),
    ],
)
def test_a_cut_that_cannot_be_is_refused(frames: int, event: str, camera: str | None, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        sample_scene(1, 0, frames=frames, size=(64, 64), event=event, camera=camera, cut=CUTS[0])


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_camera_can_be_fixed(camera: str) -> None:
    assert sample_scene(1, 0, frames=17, size=(64, 64), event="rests", camera=camera).camera == camera


def test_a_single_frame_is_a_scene_at_rest() -> None:
    for index in range(10):
        scene = sample_scene(2, index, frames=1, size=(64, 64))
        assert (scene.event, scene.camera, len(scene.shots)) == ("rests", "still", 1)


def test_nothing_starts_inside_another_thing() -> None:
    for index in range(25):
        scene = sample_scene(4, index, frames=9, size=(64, 64))
        touching = {pair for pair in simulate(scene).contacts[0] if "ground" not in pair}
        expected = scene.relation == "on top of" or any(prop.kind in ("tower", "ramp") for prop in scene.props)
        assert expected or not touching


def test_wrong_values_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown event 'flies'. Known: rests"):
        sample_scene(0, 0, frames=9, size=(64, 64), event="flies")
    with pytest.raises(InputError, match="held_out"):
        sample_scene(0, 0, split="test", frames=9, size=(64, 64))
    with pytest.raises(InputError, match="8x64"):
        sample_scene(0, 0, frames=9, size=(8, 64))
    with pytest.raises(InputError, match="needs 13 frames"):
        sample_scene(0, 0, frames=5, size=(64, 64), event="rolls behind a wall")
    with pytest.raises(InputError, match="0 frames"):
        sample_scene(0, 0, frames=0, size=(64, 64))


def test_a_held_out_scene_beside_a_tower_of_the_held_out_colour_is_drawn_without_it() -> None:
    cylinder = Thing("cylinder", "", 1.0, (0.0, 0.0, 0.5))
    for seed in range(20):
        (dressed,) = _dress(np.random.default_rng(seed), [cylinder], 1, "held_out", {"orange"})
        assert dressed.colour != "orange"
