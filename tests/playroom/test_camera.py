from dataclasses import replace

import numpy as np
import pytest

from patchworld.playroom.camera import project, vertical_field, view
from patchworld.playroom.grammar import sample_scene
from patchworld.playroom.scene import Scene


def resting(camera: str, size: tuple[int, int] = (64, 64)) -> Scene:
    return sample_scene(0, 1, frames=17, size=size, event="rests", camera=camera)


@pytest.mark.parametrize("size", [(64, 64), (112, 64), (64, 112)])
def test_the_shorter_side_always_shows_the_same_width_of_the_stage(size: tuple[int, int]) -> None:
    scene = resting("still", size)
    camera = view(scene, 0)
    edge = np.array(scene.shots[0].target) + camera.right
    x, _, depth = project(camera, edge[None], *size)[0]
    assert np.isclose(x - size[0] / 2, 32 / np.tan(np.radians(25)) / depth)


def test_landscape_and_square_share_the_vertical_field() -> None:
    assert np.isclose(vertical_field(112, 64), vertical_field(64, 64))
    assert vertical_field(64, 112) > vertical_field(64, 64)


@pytest.mark.parametrize("camera", ["still", "orbits left", "orbits right", "moves in", "moves out"])
def test_every_camera_but_a_panning_one_keeps_its_target_in_the_middle(camera: str) -> None:
    scene = resting(camera)
    for frame in (0, 8, 16):
        x, y, _ = project(view(scene, frame), np.array(scene.shots[0].target)[None], 64, 64)[0]
        assert np.allclose((x, y), 32)


def test_a_camera_that_pans_left_sees_things_move_right() -> None:
    scene = resting("pans left")
    x = [project(view(scene, frame), np.array([[0.0, 0.0, 0.5]]), 64, 64)[0, 0] for frame in (0, 16)]
    assert x[1] - x[0] > 15


def test_a_camera_that_orbits_right_stands_further_right() -> None:
    assert view(resting("orbits right"), 16).position[0] > 1.5
    assert view(resting("orbits left"), 16).position[0] < -1.5


def test_a_camera_that_moves_in_comes_nearer() -> None:
    scene = resting("moves in")
    distance = [np.linalg.norm(view(scene, f).position - np.array(scene.shots[0].target)) for f in (0, 16)]
    assert distance[1] < 0.75 * distance[0]


def test_left_and_right_are_those_of_the_first_frame() -> None:
    for index in range(12):
        scene = sample_scene(1, index, frames=9, size=(64, 64), event="rests")
        assert np.allclose(view(scene, 0).right[:2], (1, 0), atol=0.2)


def test_the_axes_of_a_view_are_orthonormal() -> None:
    camera = view(resting("pans right"), 3)
    axes = np.stack([camera.right, camera.up, camera.forward])
    assert np.allclose(axes @ axes.T, np.eye(3))


def test_a_cut_jumps_to_the_second_shot() -> None:
    scene = next(
        s
        for s in (sample_scene(3, i, frames=17, size=(64, 64), event="rests") for i in range(200))
        if len(s.shots) > 1 and s.shots[1].view == "from the left"
    )
    cut = scene.shots[1].start
    assert view(scene, cut - 1).position[0] == pytest.approx(0, abs=1e-9)
    assert view(scene, cut).position[0] < -2
    assert view(replace(scene, shots=scene.shots[:1]), cut).position[0] == pytest.approx(0, abs=1e-9)
