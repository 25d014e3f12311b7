import numpy as np
import pytest
from video.making import greys, scene

from patchworld.errors import InputError
from patchworld.video import Clip, contact_sheet, read
from patchworld.video.sheet import evenly


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(9, 3, [0, 4, 8]), (3, 8, [0, 1, 2]), (1, 8, [0]), (10, 1, [0]), (2, 2, [0, 1]), (8, 4, [0, 2, 5, 7])],
)
def test_frames_are_chosen_evenly_from_first_to_last(count, most, chosen):
    assert evenly(count, most) == chosen


def test_a_sheet_has_a_row_for_each_clip_and_its_frames_in_order():
    clips = [Clip(greys(range(0, 90, 10)), 10), Clip(greys([200]), 10)]
    sheet = contact_sheet(clips, columns=3)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * 32 + 4 * 4  # three frames and the gaps around them
    assert [int(sheet[4 + 16, 4 + 16 + k * 36, 0]) for k in range(3)] == [0, 40, 80]
    second = 4 + 32 + 16  # the first row and the line with its times
    assert int(sheet[second + 16, 20, 0]) == 200
    assert (sheet[second + 16, 60:] == 255).all()  # a short clip leaves paper


def test_large_frames_are_shrunk_and_small_ones_left_alone():
    assert contact_sheet(Clip(scene(2, 640, 320), 10), columns=2).shape[1] == 2 * 160 + 3 * 4
    assert contact_sheet(Clip(scene(2, 64, 32), 10), columns=2).shape[1] == 2 * 64 + 3 * 4


def test_captions_are_written_above_their_rows_and_wrapped():
    clips = [Clip(greys([90, 90, 90]), 10)] * 2
    plain = contact_sheet(clips)
    short = contact_sheet(clips, labels=["a ball", ""])
    long = contact_sheet(clips, labels=["a red ball rolls behind the grey wall and comes out again", "红色的球" * 9])
    assert plain.shape[0] < short.shape[0] < long.shape[0]
    assert plain.shape[1] == short.shape[1] == long.shape[1]
    assert short[:20].min() < 100  # ink


def test_the_sheet_is_written_as_an_image(tmp_path):
    sheet = contact_sheet([Clip(scene(4), 10)], tmp_path / "sheet.png", labels=["a scene"])
    assert np.array_equal(read(tmp_path / "sheet.png").frames[0], sheet)


def test_wrong_questions_are_refused():
    clip = Clip(scene(1), 1)
    with pytest.raises(InputError, match="no clips"):
        contact_sheet([])
    with pytest.raises(InputError, match="2 labels for 1 clips"):
        contact_sheet([clip], labels=["a", "b"])
    with pytest.raises(InputError, match="columns=0"):
        contact_sheet([clip], columns=0)
