import re
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--clips", 0), "clips=0 is too few"),
        (("--clips", "1.5"), "--clips: not a whole number: '1.5'"),
        (("--workers", 0), "workers=0 is too few"),
        (("--seed", -1), "seed=-1 is out of range"),
        (("--split", "tests"), r"unknown --split 'tests' \(known: train, held_out\)"),
        (("--mix", "64x64"), "'64x64' is no share: write WxHxF=P"),
        (("--mix", "64x64x17=0"), "'64x64x17=0' is no share"),
        (("--mix", "16x64x17=1"), "size 16x64 is outside 32 to 256 pixels"),
        (("--event", "dances"), "unknown event 'dances'. Known: rests"),
        (("--out", "mine"), "mine is not empty and holds no data set of this kind"),
    ],
)
def test_data_playroom_refuses_settings_that_make_no_data_set(more, message, refused):
    Path("mine").mkdir()
    Path("mine/diary.txt").touch()
    assert re.search(message, refused("data", "playroom", "--clips", 1, "--out", "new", *more))
