import numpy as np
import pytest

from patchworld.playroom import play, sample_scene
from patchworld.playroom.scene import Scene
from patchworld.scorecard import read, views
from patchworld.video import Clip


@pytest.fixture(scope="module")
def orbit() -> tuple[Clip, Scene]:
    """One thing at rest, and a camera that goes around it."""
    for index in range(60):
        scene = sample_scene(4711, index, frames=17, size=(64, 64), event="rests", camera="orbits right")
        if len(scene.things) == 1 and not scene.props and abs(scene.things[0].position[0]) > 0.5:
            break
    return play(scene).clip, scene


def test_a_thing_at_rest_keeps_its_place_under_a_moving_camera(orbit: tuple[Clip, Scene]) -> None:
    clip, scene = orbit
    assert views.judge_camera(read(clip), scene).right
    answer = views.judge_reprojection(read(clip), scene)
    assert answer.right, answer


def test_a_thing_that_slides_with_the_camera_is_found_out(orbit: tuple[Clip, Scene]) -> None:
    clip, scene = orbit
    first = read(clip).of(scene.things[0].colour, 0)[0]
    pixels = clip.frames.copy()
    # The thing is put where it was in the first picture, and taken from where it should be.
    for frame in range(6, 17):
        for blob in read(Clip(pixels[frame : frame + 1].copy(), 8.0)).of(scene.things[0].colour, 0):
            box = (slice(blob.top, blob.bottom), slice(blob.left, blob.right))
            pixels[frame][box][blob.mask] = np.median(pixels[frame, 50:], (0, 1)).astype(np.uint8)
        box = (slice(first.top, first.bottom), slice(first.left, first.right))
        pixels[frame][box][first.mask] = first.pixels[first.mask]
    assert not views.judge_reprojection(read(Clip(pixels, clip.fps)), scene).right


def test_a_camera_that_stays_shows_nothing_of_the_room() -> None:
    scene = sample_scene(4711, 3, frames=9, size=(64, 64), event="rests", camera="still")
    answer = views.judge_reprojection(read(play(scene).clip), scene)
    assert (answer.right, answer.seen) == (False, "the camera does not move")
