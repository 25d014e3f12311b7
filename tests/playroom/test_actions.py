from dataclasses import replace

import numpy as np
import pytest

from patchworld.playroom.actions import ACTIONS, SHORTEST_HELD, held_from, push_acceleration
from patchworld.playroom.camera import view
from patchworld.playroom.grammar import sample_scene
from patchworld.playroom.scene import Scene, Thing
from patchworld.playroom.verify import discs
from patchworld.playroom.world import Trajectory, simulate


def acted(*actions: str, height: float = 0.5) -> Trajectory:
    """What a ball of one metre does in the middle of the stage when it is acted on."""
    scene = sample_scene(0, 0, frames=17, size=(64, 64), event="is pushed")
    things = (Thing("ball", "red", 1.0, (0.0, 0.0, height)),)
    padded = actions + ("none",) * (scene.frames - len(actions))
    return simulate(replace(scene, things=things, actions=padded))


@pytest.mark.parametrize(
    ("action", "axis", "sign"),
    [("push left", 0, -1), ("push right", 0, 1), ("push away", 1, 1), ("push towards", 1, -1)],
)
def test_a_push_moves_the_ball_its_way_and_no_other(action: str, axis: int, sign: int) -> None:
    moved = acted("none", action).position[-1, 0] - acted().position[0, 0]
    assert sign * moved[axis] > 0.3
    assert abs(moved[1 - axis]) < 0.01


def test_nothing_moves_without_an_action() -> None:
    assert np.abs(acted().position - acted().position[0]).max() < 0.01


def test_an_action_is_first_seen_in_the_next_frame() -> None:
    x = acted("none", "none", "push right").position[:, 0, 0]
    assert abs(x[2]) < 1e-6
    assert x[3] > 0.05


def test_a_jump_leaves_the_ground_and_comes_back() -> None:
    run = acted("jump")
    height = run.position[:, 0, 2]
    assert 0.4 < height.max() - 0.5 < 0.6
    assert ("ground", "thing0") not in run.contacts[3]
    assert ("ground", "thing0") in run.contacts[-1]


def test_there_is_no_jump_in_the_air() -> None:
    falling = acted(height=2.2).position[:4, 0, 2]
    assert np.array_equal(acted("none", "jump", height=2.2).position[:4, 0, 2], falling)


def test_pushing_longer_carries_further() -> None:
    assert acted("push right", "push right").position[-1, 0, 0] > 1.5 * acted("push right").position[-1, 0, 0]


def test_sampled_scenes_use_known_actions_one_per_frame() -> None:
    for index in range(5):
        scene: Scene = sample_scene(1, index, frames=17, size=(64, 64), event="is pushed")
        assert len(scene.actions) == scene.frames
        assert set(scene.actions) <= set(ACTIONS)


def test_none_and_jump_are_no_pushes() -> None:
    assert push_acceleration("none", 8) == push_acceleration("jump", 8) == (0.0, 0.0, 0.0)


def test_some_clips_of_pushes_hold_one_and_the_ball_may_leave() -> None:
    scenes = [sample_scene(5, number, frames=17, size=(64, 64), event="is pushed") for number in range(40)]
    held = [scene for scene in scenes if held_from(scene.actions) is not None]
    assert 0.2 < len(held) / len(scenes) < 0.5
    gone = 0
    for scene in held:
        start, run = held_from(scene.actions), simulate(scene)
        assert len(set(scene.actions[start : start + SHORTEST_HELD])) == 1
        x, y, *_ = discs(scene, view(scene, 16), run.position[16])[0]
        gone += not (0 <= x <= 64 and 0 <= y <= 64)
    assert 0 < gone < len(held)


def test_what_is_held_is_found() -> None:
    assert held_from(("none", "push left", "push left", "none", "none", "none", "jump")) is None
    assert held_from(("none", "jump", *("push away",) * 3, "none")) == 2
