import numpy as np
import pytest

from patchworld.video.seams import SeamReport

pytest.importorskip("cv2")


def pan(frames=24, speed=1.0, seed=0):
    """A smooth random picture that moves to the left, (frames, 64, 64, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:64, 0:256] / 8
    waves = rng.uniform(-1, 1, (12, 5))
    picture = sum(np.sin(a * x + b * y + 6 * c)[..., None] * np.array([d, e, 1]) for a, b, c, d, e in waves)
    picture = np.clip(128 + 25 * picture, 0, 255).astype(np.uint8)
    return np.stack([picture[:, round(speed * n) : round(speed * n) + 64] for n in range(frames)])


def measured(frames, joins, given=None):
    report = SeamReport(joins, np.ones(len(frames), bool) if given is None else given)
    for frame in frames:
        report.add(frame)
    return report.seams()


def test_a_join_in_a_steady_video_is_as_small_as_its_other_steps():
    (seam,) = measured(pan(), [12])
    assert seam.frame == 12
    assert (seam.jumps <= 2 * seam.usual + 0.05).all()


def test_a_change_of_direction_shows_in_motion_alone():
    there = pan()
    back = np.concatenate([there[:12], there[10::-1]])
    (seam,) = measured(back, [12])
    assert seam.jumps[0] > 5 * seam.usual[0]
    assert seam.jumps[1] < 2 * seam.usual[1] + 0.5


def test_a_change_of_light_shows_in_brightness():
    frames = pan()
    frames[12:] = np.clip(frames[12:].astype(int) + 20, 0, 255)
    (seam,) = measured(frames, [12])
    assert seam.jumps[1] == pytest.approx(20, abs=3)
    assert seam.usual[1] < 3


def test_another_thing_shows_in_identity():
    (seam,) = measured(np.concatenate([pan(12), pan(12, seed=5)]), [12])
    assert seam.jumps[2] > 3 * seam.usual[2]


def test_the_end_of_a_loop_is_compared_with_its_beginning():
    frames = pan(16)
    there_and_away = measured(frames, [0])[0]
    back_again = measured(np.concatenate([frames, frames[14:0:-1]]), [0])[0]
    assert (back_again.frame, there_and_away.frame) == (0, 0)
    assert back_again.jumps[2] < there_and_away.jumps[2]


def test_the_usual_is_that_of_the_given_frames():
    frames = np.concatenate([pan(12), np.random.default_rng(1).integers(0, 255, (12, 64, 64, 3), np.uint8)])
    given = np.arange(24) < 12
    assert measured(frames, [12], given)[0].usual[2] < measured(frames, [12])[0].usual[2] / 3
