from pathlib import Path

import pytest

from patchworld.data import Unreadable
from patchworld.errors import InputError, MediaError


def leave_out(unreadable, *numbers):
    for number in numbers:
        unreadable.leave_out(Path(f"{number}.mp4"), MediaError(f"{number}.mp4 is damaged"))


def test_each_is_told_of_once_with_the_count():
    unreadable = Unreadable(20)
    for number, count in ((3, 1), (5, 2)):
        with pytest.warns(UserWarning, match=rf"left out, {count} of 20 videos so far: {number}.mp4 is damaged"):
            leave_out(unreadable, number)
    leave_out(unreadable, 3, 5, 3)  # warnings are errors here


def test_more_than_one_in_ten_ends_the_run():
    unreadable = Unreadable(20)
    with pytest.warns(UserWarning, match="left out"):
        leave_out(unreadable, 0, 1)
    with pytest.raises(InputError, match=r"3 of 20 videos cannot be read, at most 2 .*: 2.mp4 is damaged"):
        leave_out(unreadable, 2)


@pytest.mark.filterwarnings("ignore:left out")
@pytest.mark.parametrize(("total", "allowed"), [(1, 0), (2, 1), (9, 1), (100, 10)])
def test_one_may_always_be_unreadable_unless_it_is_all(total, allowed):
    unreadable = Unreadable(total)
    leave_out(unreadable, *range(allowed))
    with pytest.raises(InputError, match=f"{allowed + 1} of {total} videos"):
        leave_out(unreadable, allowed)
