from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from patchworld.playroom.grammar import sample_scene
from patchworld.playroom.scene import GRAVITY, Scene, Thing
from patchworld.playroom.world import simulate


def dropped(shape: str = "ball", fps: float = 8.0, frames: int = 17) -> Scene:
    scene = sample_scene(0, 0, frames=frames, size=(64, 64), event="falls and bounces")
    return replace(scene, things=(Thing(shape, "red", 1.0, (0.0, 0.0, 2.5)),), props=(), relation="", fps=fps)


def test_free_fall_follows_gravity() -> None:
    run = simulate(dropped(fps=40.0))
    time = np.arange(17) / 40
    assert np.allclose(run.position[:17, 0, 2], 2.5 - GRAVITY * time**2 / 2, atol=0.015)
    assert np.allclose(run.velocity[:17, 0, 2], -GRAVITY * time, atol=0.01)


@pytest.mark.parametrize("shape", ["ball", "cube", "cylinder"])
def test_every_bounce_is_lower_than_the_last(shape: str) -> None:
    height = simulate(dropped(shape, fps=60.0, frames=150)).position[:, 0, 2] - 0.5
    peaks = [height[i] for i in range(1, 149) if height[i - 1] < height[i] >= height[i + 1] and height[i] > 0.03]
    assert len(peaks) >= 2
    assert peaks[0] < 1.7
    assert all(later < earlier for earlier, later in pairwise(peaks))


def test_rolling_left_moves_left_and_turns_with_the_ground() -> None:
    scene = replace(
        sample_scene(0, 0, frames=17, size=(64, 64), event="rolls to the left", camera="still"),
        things=(Thing("ball", "red", 1.0, (1.2, 0.0, 0.5), (-1.2, 0.0, 0.0)),),
        relation="",
    )
    run = simulate(scene)
    assert np.allclose(np.diff(run.position[:, 0, 0]), -1.2 / 8, atol=0.01)
    # Half a metre in radius: after one second and 1.2 m it has turned by 2.4 radians about the y axis.
    w, _, y, _ = run.rotation[8, 0]
    assert abs(2 * np.arctan2(abs(y), abs(w)) - 2.4) < 0.05


def test_a_target_stands_still_until_it_is_touched() -> None:
    for index in range(6):
        scene = sample_scene(5, index, frames=17, size=(64, 64), event="hits")
        run = simulate(scene)
        touched = next(i for i, pairs in enumerate(run.contacts) if ("thing0", "thing1") in pairs)
        moved = np.linalg.norm(run.position[:, 1, :2] - run.position[0, 1, :2], axis=1)
        assert moved[:touched].max() < 0.01
        assert moved[-1] > 0.3


def test_a_tower_that_is_hit_falls() -> None:
    scene = sample_scene(6, 0, frames=17, size=(64, 64), event="knocks over a tower")
    run = simulate(scene)
    top = run.names.index(f"block{scene.props[0].num_blocks - 1}")
    assert run.position[0, top, 2] > 0.8 * scene.props[0].size[2]
    assert run.position[-1, top, 2] < 0.6 * scene.props[0].size[2]


def test_a_tower_that_is_not_hit_stands() -> None:
    scene = sample_scene(6, 0, frames=17, size=(64, 64), event="knocks over a tower")
    still = replace(scene, things=(replace(scene.things[0], velocity=(0.0, 0.0, 0.0)),))
    run = simulate(still)
    assert np.abs(run.position - run.position[0]).max() < 0.01


def test_a_ball_gains_speed_on_a_ramp_as_rolling_says() -> None:
    scene = sample_scene(7, 0, frames=17, size=(64, 64), event="rolls down a ramp")
    run = simulate(replace(scene, rolling_drag=0.0))
    # A solid ball rolling down a slope gains 5/7 g sin(slope) each second.
    length, _, height = scene.props[0].size
    speed = np.linalg.norm(run.velocity[:, 0], axis=1)
    assert abs((speed[6] - speed[2]) / (4 / 8) - 5 / 7 * GRAVITY * height / np.hypot(length, height)) < 0.15


@pytest.mark.parametrize(
    ("event", "flag", "pair"),
    [
        ("bites a pie", "bitten", ("mouth", "pie")),
        ("blows out a candle", "lit", ("candle", "puff")),
    ],
)
def test_a_change_comes_with_the_touch_and_stays(event: str, flag: str, pair: tuple[str, str]) -> None:
    run = simulate(sample_scene(8, 0, frames=33, size=(64, 64), event=event))
    values = [flags[flag] for flags in run.flags]
    changes = [i for i in range(1, 33) if values[i] != values[i - 1]]
    assert len(changes) == 1
    assert [i for i, pairs in enumerate(run.contacts) if pair in pairs] == changes


def test_no_scene_depends_on_the_one_before() -> None:
    scene = sample_scene(6, 0, frames=17, size=(64, 64), event="knocks over a tower")
    first = simulate(scene)
    simulate.cache_clear()
    simulate(sample_scene(5, 1, frames=17, size=(64, 64), event="hits"))
    assert np.array_equal(simulate(scene).qpos, first.qpos)


def test_threads_that_simulate_side_by_side_share_one_world() -> None:
    scenes = [sample_scene(6, index, event="hits", frames=17, size=(64, 64)) for index in range(6)]
    simulate.cache_clear()
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(simulate, scenes))
    simulate.cache_clear()
    for scene, one in zip(scenes, together, strict=True):
        np.testing.assert_array_equal(one.position, simulate(scene).position)
