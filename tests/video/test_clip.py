import subprocess
import sys

import numpy as np
import pytest
from video.making import brightness, greys

from patchworld.errors import InputError
from patchworld.video import Clip


def test_size_is_width_then_height_and_duration_counts_the_last_frame():
    clip = Clip(np.zeros((12, 32, 48, 3), np.uint8), 24)
    assert clip.size == (48, 32)
    assert (clip.num_frames, clip.duration, clip.is_image) == (12, 0.5, False)
    assert Clip(clip.frames[:1], 24).is_image


def test_a_numpy_frame_rate_becomes_a_plain_float():
    assert type(Clip(np.zeros((1, 8, 8, 3), np.uint8), np.float32(24)).fps) is float


@pytest.mark.parametrize(
    ("frames", "fps", "says"),
    [
        ([[0]], 24, "list"),
        (np.zeros((2, 8, 8, 3), np.float32), 24, "float32"),
        (np.zeros((2, 8, 8), np.uint8), 24, r"\(2, 8, 8\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), 24, r"\(2, 3, 8, 8\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), 24, "at least one frame"),
        (np.zeros((1, 8, 8, 3), np.uint8), 0, "fps=0"),
        (np.zeros((1, 8, 8, 3), np.uint8), float("nan"), "fps=nan"),
        (np.zeros((1, 8, 8, 3), np.uint8), "24", "fps='24'"),
        (np.broadcast_to(np.zeros(3, np.uint8), (1, 5000, 5000, 3)), 24, "5000x5000"),
        (np.broadcast_to(np.zeros(3, np.uint8), (100_001, 8, 8, 3)), 24, "100001 frames"),
    ],
)
def test_what_is_no_clip_is_refused_with_the_value_and_the_rule(frames, fps, says):
    with pytest.raises(InputError, match=says):
        Clip(frames, fps)


def test_a_part_in_seconds_holds_the_frames_that_begin_in_it():
    clip = Clip(greys(range(0, 100, 10)), 10, {"seed": 1})
    assert brightness(clip.seconds(0.2, 0.5)) == [20, 30, 40]
    assert brightness(clip.seconds(0.75)) == [80, 90]
    assert brightness(clip.seconds(0.22, 0.23)) == [20]  # none begins there: the one on display
    assert clip.seconds(0.2, 0.5).recipe is None
    assert np.shares_memory(clip.seconds(0.2).frames, clip.frames)


@pytest.mark.parametrize(("start", "end"), [(-1, None), (1.0, None), (0.5, 0.5), (0.5, 0.2), (float("nan"), None)])
def test_a_part_outside_the_clip_is_refused(start, end):
    with pytest.raises(InputError, match=r"start|end"):
        Clip(greys(range(10)), 10).seconds(start, end)


def test_importing_the_folder_loads_no_codec():
    code = "import sys, patchworld.video; print([m for m in ('av', 'PIL', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
