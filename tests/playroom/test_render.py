from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from patchworld.playroom.camera import project, view
from patchworld.playroom.grammar import COLOURS, GROUNDS, LIGHTS, sample_scene
from patchworld.playroom.render import painter, pose, render, shrink
from patchworld.playroom.scene import Scene
from patchworld.playroom.world import simulate


def drawn(scene: Scene) -> tuple[np.ndarray, list[dict[str, int]]]:
    return render(scene, simulate(scene))


def test_the_same_seed_gives_the_same_frames() -> None:
    scene = sample_scene(2, 3, frames=9, size=(64, 64))
    first, _ = drawn(scene)
    drawn(sample_scene(2, 4, frames=9, size=(112, 64), event="bites a pie"))
    simulate.cache_clear()
    assert np.array_equal(drawn(sample_scene(2, 3, frames=9, size=(64, 64)))[0], first)


@pytest.mark.parametrize("size", [(64, 64), (112, 64), (64, 112), (256, 144)])
def test_pictures_have_the_size_asked_for(size: tuple[int, int]) -> None:
    frames, _ = drawn(sample_scene(2, 0, frames=1, size=size))
    assert frames.shape == (1, size[1], size[0], 3)
    assert frames.dtype == np.uint8


def test_shrinking_averages_and_rounds_half_up() -> None:
    block = np.array([[0, 1], [1, 0]], np.uint8)[..., None].repeat(3, 2)
    assert shrink(block).tolist() == [[[1, 1, 1]]]
    assert shrink(np.full((4, 6, 3), 255, np.uint8)).tolist() == np.full((2, 3, 3), 255).tolist()


def test_a_ball_behind_a_wall_is_hidden_and_comes_out() -> None:
    for index in range(5):
        _, visible = drawn(sample_scene(9, index, frames=17, size=(64, 64), event="rolls behind a wall"))
        seen = [pixels.get("thing0", 0) for pixels in visible]
        assert seen[0] > 40
        assert min(seen) == 0
        assert seen[-1] > 40


def test_a_bitten_pie_stays_bitten() -> None:
    scene = sample_scene(8, 0, frames=33, size=(96, 96), event="bites a pie", camera="still")
    scene = replace(scene, shots=scene.shots[:1])
    frames, visible = drawn(scene)
    # The mouth is gone from the picture at the end: what is missing then is the bite.
    assert "jaw_top" not in visible[-1]
    whole, _ = drawn(replace(scene, event="rests"))
    bite = np.abs(frames[-1].astype(int) - whole[-1]).max(2) > 40
    assert bite.sum() > 60
    assert np.array_equal(frames[-1], frames[-2])


def test_a_blown_out_candle_stays_out() -> None:
    scene = sample_scene(8, 1, frames=33, size=(64, 64), event="blows out a candle")
    run = simulate(scene)
    _, visible = render(scene, run)
    for pixels, flags in zip(visible, run.flags, strict=True):
        assert ("flame" in pixels) == flags["lit"]
    assert run.flags[0]["lit"]
    assert not run.flags[-1]["lit"]


@pytest.mark.parametrize("event", ["rests", "falls and bounces", "rolls to the right"])
def test_things_appear_where_the_camera_says(event: str) -> None:
    scene = sample_scene(10, 2, frames=9, size=(128, 128), event=event)
    run = simulate(scene)
    render(scene, run)  # leaves the world filled with this scene
    p = painter()
    for frame in (0, 8):
        pose(p.world, run, frame)
        p.aim(view(scene, frame))
        ids = p.paint(128, 128, segment=True)
        name = f"thing0_{scene.things[0].shape}"
        rows, columns = np.nonzero(ids == p.world.geoms[name] + 1)
        x, y, _ = project(view(scene, frame), run.position[frame, :1], 128, 128)[0]
        assert abs((columns.min() + columns.max() + 1) / 2 - x) < 2
        assert abs((rows.min() + rows.max() + 1) / 2 - y) < 4


def test_things_are_big_enough_to_recognise_at_64_pixels() -> None:
    for index in range(20):
        scene = sample_scene(11, index, frames=1, size=(64, 64), camera="still")
        _, visible = drawn(scene)
        for i in range(len(scene.things)):
            assert visible[0][f"thing{i}"] >= 40


@pytest.mark.parametrize("light", LIGHTS)
def test_colours_stay_apart_under_every_light(light: str) -> None:
    scene = next(
        s
        for s in (sample_scene(12, i, frames=1, size=(64, 64)) for i in range(100))
        if [t.shape for t in s.things] == ["ball"] and not s.props
    )
    shown = {}
    for colour in COLOURS:
        painted = replace(scene, light=light, ground="stone", things=(replace(scene.things[0], colour=colour),))
        frames, _ = drawn(painted)
        x, y, _ = project(view(painted, 0), np.array([painted.things[0].position]), 64, 64)[0].astype(int)
        shown[colour] = frames[0, y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3).mean(0)
    for one, two in combinations(COLOURS, 2):
        assert np.linalg.norm(shown[one] - shown[two]) > 45, (one, two)


def test_grounds_and_skies_differ() -> None:
    scene = sample_scene(12, 0, frames=1, size=(64, 64), event="rests")
    floors = [drawn(replace(scene, ground=ground, light="day"))[0][0, -8:].reshape(-1, 3).mean(0) for ground in GROUNDS]
    skies = [drawn(replace(scene, light=light))[0][0, 0].mean(0) for light in LIGHTS]
    for group in (floors, skies):
        assert min(np.linalg.norm(a - b) for a, b in combinations(group, 2)) > 25
