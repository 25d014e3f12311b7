import numpy as np

from patchworld.playroom.draw import HELD_OUT_EVENTS
from patchworld.playroom.scene import HELD_OUT
from patchworld.scorecard import lesson
from patchworld.scorecard.lessons import LESSONS, PICTURES
from patchworld.scorecard.prompts import SUITES


def test_a_number_is_always_the_same_lesson():
    for number in (0, 7, 2**39):
        one, other = lesson(number)[0], lesson(number)[0]
        assert (one.prompt, one.frames, one.size) == (other.prompt, other.frames, other.size)
    assert len({lesson(number)[0].prompt for number in range(30)}) > 25


def test_they_are_pictures_and_clips_of_what_may_be_trained_on():
    lessons = [lesson(number) for number in range(120)]
    pictures = sum(canvas.frames == 1 for canvas, _ in lessons)
    assert abs(pictures / len(lessons) - PICTURES) < 0.15
    seen = {scene.event for scene in (mark.args[0].scene for _, mark in lessons)}
    assert len(seen & set(HELD_OUT_EVENTS)) > 3
    for _, mark in lessons:
        scene = mark.args[0].scene
        assert scene.split == "train"
        assert not {(thing.colour, thing.shape) for thing in scene.things} & set(HELD_OUT)
    assert all(canvas.actions == () for canvas, _ in lessons if canvas.frames == 1)


def test_no_scorecard_asks_them():
    for suite in SUITES:
        asked = [suite.prompt(number).scene for number in range(5)]
        learned = [suite.prompt(number, LESSONS, unseen=0).scene for number in range(5)]
        assert not any(one == other for one in asked for other in learned)


def test_a_render_answers_nearly_all_and_noise_nearly_nothing(opengl):
    from patchworld.playroom.render import render
    from patchworld.playroom.world import simulate
    from patchworld.video import Clip

    real, noise, rng = [], [], np.random.default_rng(0)
    for number in range(12):
        canvas, mark = lesson(number)
        scene = mark.args[0].scene
        frames = render(scene, simulate(scene))[0][: canvas.frames]
        real.append(mark(Clip(frames, canvas.fps)))
        noise.append(mark(Clip(rng.integers(0, 256, frames.shape, dtype=np.uint8), canvas.fps)))
    assert np.mean(real) > 0.95
    assert np.mean(noise) < 0.4
