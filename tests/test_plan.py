import numpy as np
import pytest

from patchworld.canvas import Canvas, Condition
from patchworld.plan import Stretch, Window, find_stretches, find_windows
from patchworld.video import Clip


def canvas(frames, *given, **more):
    """A canvas with the frames (start, stop) given."""
    placed = (Condition(Clip(np.zeros((stop - start, 16, 16, 3), np.uint8), 8), start) for start, stop in given)
    return Canvas("", frames, (16, 16), conditions=tuple(placed), **more)


@pytest.mark.parametrize(
    ("frames", "given", "expected"),
    [
        (17, [], [Stretch(0, 17, 0, 17)]),
        (17, [(0, 17)], []),
        (17, [(0, 1)], [Stretch(0, 17, 1, 17)]),
        (40, [(0, 21)], [Stretch(4, 40, 21, 40)]),  # 17 frames before are 1 + 4 blocks, and frame 21 begins a block
        (40, [(0, 20)], [Stretch(3, 40, 20, 40)]),
        (40, [(0, 20), (28, 40)], [Stretch(3, 40, 20, 28)]),
        (40, [(17, 40)], [Stretch(0, 34, 0, 17)]),
        (40, [(16, 40)], [Stretch(-1, 33, 0, 16)]),  # frame 16 begins a block: one more is dreamed, and dropped
        (33, [(0, 1), (16, 17), (32, 33)], [Stretch(0, 33, 1, 32)]),  # keyframes are dreamed together
        (99, [(0, 9), (20, 60), (80, 99)], [Stretch(0, 37, 9, 20), Stretch(43, 97, 60, 80)]),
    ],
)
def test_stretches_see_what_is_given_around_them_in_whole_blocks(frames, given, expected):
    assert find_stretches(canvas(frames, *given), 4, 17) == expected


def test_no_stretch_reaches_across_a_cut():
    stretches = find_stretches(canvas(40, (0, 10), cuts=(20,)), 4, 17)
    assert stretches == [Stretch(1, 20, 10, 20), Stretch(20, 40, 20, 40)]


def test_on_a_circle_what_comes_after_the_end_is_the_beginning():
    assert find_stretches(canvas(28, (0, 20), circular=True), 4, 17) == [Stretch(3, 45, 20, 28)]
    assert find_stretches(canvas(13, (0, 1), circular=True), 4, 17) == [Stretch(0, 14, 1, 13)]


def test_windows_go_from_what_is_given_into_the_open():
    forwards = find_windows(Stretch(0, 57, 1, 57), 4, 6, 2)
    assert forwards == [Window(1, 7, 0, 7), Window(7, 13, 5, 13), Window(13, 15, 11, 15)]
    backwards = find_windows(Stretch(0, 50, 0, 45), 4, 6, 2)
    assert backwards == [Window(6, 12, 5, 14), Window(0, 6, 0, 8)]


def test_between_two_ends_windows_are_equally_long_and_the_last_sees_both():
    assert find_windows(Stretch(0, 49, 5, 41), 4, 6, 2) == [Window(2, 6, 0, 6), Window(6, 11, 4, 13)]


def test_a_longer_canvas_has_the_windows_of_a_shorter_one():
    short, long = (find_windows(Stretch(0, frames, 0, frames), 4, 4, 2) for frames in (33, 65))
    assert long[: len(short) - 1] == short[:-1]
