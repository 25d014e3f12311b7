from dataclasses import replace

import numpy as np
import pytest
from painting import Thing, box, reading

from patchworld.playroom import play, sample_scene
from patchworld.playroom.camera import project
from patchworld.playroom.scene import Scene
from patchworld.playroom.scene import Thing as Body
from patchworld.scorecard import motion, read
from patchworld.scorecard.prompts import deeds
from patchworld.scorecard.reading import Reading
from patchworld.scorecard.stage import stand
from patchworld.video import Clip

EMPTY = reading(*[[box("black", 60, 60, 3)]] * 17)  # for its camera


def told(event: str, *colours: str) -> Scene:
    """What a prompt tells of balls of these colours."""
    things = tuple(Body("ball", colour, 1.0, (0.0, 0.0, 0.5)) for colour in colours)
    return replace(sample_scene(0, 0, frames=1, size=(64, 64)), event=event, things=things, props=(), frames=17)


def seen(heights: list[float]) -> Reading:
    """A red thing at these heights above the middle of the stage, in metres."""
    places = np.array([(0.0, 0.0, z) for z in heights])
    return reading(*([box("red", x, y)] for x, y, _ in project(stand(EMPTY), places, 64, 64)))


def fall(gravity: float, rebound: float = 0.75) -> list[float]:
    """Heights of a body that falls from 2.2 m and bounces with this share of its speed, at 8 frames a second."""
    heights, z, speed = [], 2.2, 0.0
    for step in range(17 * 50):
        if step % 50 == 0:
            heights.append(z)
        speed -= gravity / 400
        z += speed / 400
        if z < 0.5 and speed < 0:
            speed *= -rebound
    return heights


@pytest.mark.parametrize("gravity", [5.0, 9.81])
def test_gravity_is_fitted_from_pixels(gravity: float) -> None:
    answer = motion.judge_gravity(seen(fall(gravity)), told("falls and bounces", "red"))
    assert answer.value == pytest.approx(gravity, rel=0.15)
    assert answer.right is (gravity == 9.81)


def test_a_body_that_sinks_at_one_speed_does_not_fall_as_gravity_says() -> None:
    sinking = [2.2 - 0.3 * min(i, 5) + 0.1 * max(i - 5, 0) * (i < 8) for i in range(17)]
    assert not motion.judge_gravity(seen(sinking), told("falls and bounces", "red")).right


@pytest.mark.parametrize(("rebound", "right"), [(0.75, True), (1.02, False), (0.0, False)])
def test_bounces_have_to_come_and_to_lose_height(rebound: float, right: bool) -> None:
    assert motion.judge_bounces(seen(fall(9.81, rebound)), told("falls and bounces", "red")).right is right


def test_rolling_has_a_direction() -> None:
    frames = [[box("red", 10 + 2.5 * i, 40)] for i in range(17)]
    assert motion.judge_direction(reading(*frames), told("rolls to the right", "red")).right
    assert not motion.judge_direction(reading(*frames[::-1]), told("rolls to the right", "red")).right
    assert motion.judge_direction(reading(*frames[:1] * 17), told("rolls to the right", "red")).seen == "nowhere"


def collision(gap: float) -> list[list[Thing]]:
    """A red thing comes from the left; a blue one starts to move when they are `gap` pixels apart."""
    red, blue, frames = 8.0, 40.0, []
    for _ in range(17):
        frames.append([box("red", red, 40), box("blue", blue, 40)])
        if blue == 40 and blue - red - 10 > gap:
            red += 2.2
        else:
            red, blue = red + 0.3, min(blue + 1.5, 56)
    return frames


@pytest.mark.parametrize(("gap", "right"), [(1.0, True), (14.0, False)])
def test_a_target_is_moved_by_contact_alone(gap: float, right: bool) -> None:
    answer = motion.judge_contact(reading(*collision(gap)), told("hits", "red", "blue"))
    assert answer.right is right, answer


def test_a_target_that_stays_was_not_hit() -> None:
    frames = [[box("red", min(8 + 2 * i, 30), 40), box("blue", 40, 40)] for i in range(17)]
    assert not motion.judge_hit(reading(*frames), told("hits", "red", "blue")).right
    assert not motion.judge_contact(reading(*frames), told("hits", "red", "blue")).right


def behind_wall(out: float = 3.0, colour: str = "red", back: bool = False) -> list[list[Thing]]:
    """A red thing rolls behind a wall at 3 pixels a frame and goes on behind it at another speed, as another colour."""
    wall, frames, x = ("wall", 22, 26, 44, 46), [], 8.0
    for _ in range(20):
        frames.append([box(colour if x > 33 else "red", 66 - x if back and x > 33 else x, 40), wall])
        x += out if 22 < x < 44 else 3.0
    return frames


@pytest.mark.parametrize(
    ("frames", "happens", "right"),
    [
        (behind_wall(), True, True),
        (behind_wall(out=9), True, False),  # too early
        (behind_wall(colour="blue"), False, False),
        (behind_wall(back=True), False, False),
        ([[things[0]] for things in behind_wall()], False, False),
        ([things[::-1] for things in behind_wall()], False, False),  # in front of it
    ],
)
def test_what_goes_behind_a_wall_comes_out_again_the_same_and_in_time(
    frames: list[list[Thing]], happens: bool, right: bool
) -> None:
    scene = told("rolls behind a wall", "red")
    assert motion.judge_hiding(reading(*frames), scene).right is happens
    assert motion.judge_permanence(reading(*frames), scene).right is right


@pytest.mark.parametrize(
    ("after", "right"),
    [(["red", "blue"], True), (["red"], False), (["red", "blue", "green"], False), (["red", "green"], False)],
)
def test_things_stay_what_they_are(after: list[str], right: bool) -> None:
    def frame(colours: list[str]) -> list[Thing]:
        return [box(colour, 12 + 18 * i, 40) for i, colour in enumerate(colours)]

    clip = reading(*[frame(["red", "blue"])] * 6, *[frame(after)] * 11)
    assert motion.judge_stays_itself(clip, told("rests", "red", "blue")).right is right


@pytest.fixture(scope="module")
def cut() -> tuple[Clip, Scene]:
    """Two things that rest, seen from another side in the end."""
    for index in range(1000):
        scene = sample_scene(11, index, frames=17, size=(64, 64), event="rests")
        if len(scene.shots) > 1 and len({thing.colour for thing in scene.things}) == 2 and scene.light == "day":
            return play(scene).clip, scene
    raise AssertionError("no scene with a cut")


def test_a_cut_keeps_the_things_and_may_fade(cut: tuple[Clip, Scene]) -> None:
    clip, scene = cut
    start = scene.shots[1].start
    assert motion.judge_cut(read(clip), scene).right
    fading = clip.frames.astype(float)
    fading[start - 1], fading[start] = (
        0.7 * fading[start - 2] + 0.3 * fading[start + 1],
        fading[start + 1] * 0.6 + fading[start - 2] * 0.4,
    )
    assert motion.judge_cut(read(replace(clip, frames=fading.round().astype(np.uint8))), scene).right


def test_a_clip_without_a_cut_or_with_other_things_after_it_is_wrong(cut: tuple[Clip, Scene]) -> None:
    clip, scene = cut
    start = scene.shots[1].start
    still = replace(clip, frames=np.repeat(clip.frames[:1], 17, axis=0))
    assert motion.judge_cut(read(still), scene).seen == "no cut"
    swapped = np.concatenate([clip.frames[:start], clip.frames[start:, :, :, [1, 2, 0]]])  # other colours
    assert not motion.judge_cut(read(replace(clip, frames=swapped)), scene).right


@pytest.fixture(scope="module")
def pushed() -> tuple[Clip, Scene]:
    """A ball that is pushed left, right and jumps."""
    for index in range(100):
        scene = sample_scene(4711, index, frames=33, size=(64, 64), event="is pushed")
        if {"push left", "push right", "jump"} <= {deed for *_, deed in deeds(scene, 33)}:
            break
    return play(scene).clip, scene


def test_a_ball_that_is_pushed_obeys(pushed: tuple[Clip, Scene]) -> None:
    clip, scene = pushed
    answer = motion.judge_actions(read(clip), scene)
    assert answer.right, answer


def test_a_ball_that_does_the_opposite_does_not(pushed: tuple[Clip, Scene]) -> None:
    clip, scene = pushed
    mirrored = Clip(clip.frames[:, :, ::-1].copy(), clip.fps)
    assert not motion.judge_actions(read(mirrored), scene).right
    still = Clip(clip.frames[:1].repeat(33, 0), clip.fps)
    assert "no jump" in motion.judge_actions(read(still), scene).seen


def test_pushes_away_from_the_camera_are_not_judged_in_the_air() -> None:
    actions = ("none", "jump", *("none",) * 4, "push away", *("none",) * 12, "push away", *("none",) * 6)
    scene = replace(told("is pushed", "red"), actions=actions)
    assert deeds(scene, len(actions)) == [(1, 1, "jump"), (19, 1, "push away")]
    assert deeds(scene, 21) == [(1, 1, "jump")]  # too near to the end to be seen
