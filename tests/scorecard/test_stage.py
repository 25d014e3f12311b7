from dataclasses import replace

import numpy as np
import pytest

from patchworld.playroom import play, sample_scene
from patchworld.playroom.camera import project, view
from patchworld.playroom.scene import Aim
from patchworld.scorecard import read
from patchworld.scorecard.stage import elevation, find_path, in_upright_plane, look, on_ground
from patchworld.video import Clip

CAMERA = look(Aim(4.7, 10.0, 5.0), (0.0, 0.0, 0.85), 20.0, 112, 64)


def test_pixels_of_the_ground_lie_where_they_were_projected_from() -> None:
    places = np.array([(0.0, 0.0, 0.0), (1.2, 2.0, 0.0), (-1.0, -0.5, 0.0)])
    assert np.allclose(on_ground(CAMERA, project(CAMERA, places, 112, 64)[:, :2], 112, 64), places, atol=1e-3)


def test_heights_are_read_in_an_upright_plane() -> None:
    places = np.array([(0.3, 0.7, 0.0), (-0.2, 0.7, 1.9)])
    assert np.allclose(
        in_upright_plane(CAMERA, project(CAMERA, places, 112, 64)[:, :2], 0.7, 112, 64), places, atol=1e-3
    )


@pytest.mark.parametrize("size", [(64, 64), (64, 112)])
def test_the_horizon_tells_how_far_the_camera_looks_down(size: tuple[int, int]) -> None:
    scene = sample_scene(4711, 5, frames=5, size=size, event="rests", camera="still")
    for tilt in (17.0, 20.0):
        tilted = replace(scene, shots=(replace(scene.shots[0], elevation=tilt),), frames=1)
        assert abs(elevation(read(play(tilted).clip)) - tilt) < 1.5


@pytest.mark.parametrize(
    ("camera", "backwards"),
    [("orbits left", "orbits right"), ("pans right", "pans left"), ("still", "still")],
)
def test_a_camera_is_followed_and_seen_to_go_the_other_way_backwards(camera: str, backwards: str) -> None:
    scene = sample_scene(4711, 3, frames=13, size=(64, 64), event="rests", camera=camera)
    clip = play(scene).clip
    path = find_path(read(clip))
    assert path.camera == camera
    last = view(scene, 12)
    found = look(path.aims[-1], scene.shots[0].target, scene.shots[0].elevation, 64, 64)
    assert np.linalg.norm(last.position - found.position) < 0.6  # of 4.7 metres
    assert find_path(read(Clip(clip.frames[::-1].copy(), clip.fps))).camera == backwards
