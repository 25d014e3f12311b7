import os

import pytest

from patchworld.errors import DiskError
from patchworld.video.whole_file import disk_errors, whole_file


def test_a_file_appears_when_the_block_ends_and_not_before(tmp_path):
    with whole_file(tmp_path / "a.txt") as file:
        file.write(b"all of it")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_bytes() == b"all of it"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_inside_is_passed_on_as_it_is_and_nothing_stays(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.txt"):
        open(tmp_path / "of the caller")  # noqa: SIM115  never opens
    assert os.listdir(tmp_path) == []


def test_a_name_as_long_as_names_can_be_works(tmp_path):
    with whole_file(tmp_path / ("x" * 255)) as file:
        file.write(b"1")
    assert os.listdir(tmp_path) == ["x" * 255]


@pytest.mark.parametrize(
    ("number", "remedy"), [(28, "free some space"), (13, "change the permissions"), (5, "check the disk")]
)
def test_what_the_disk_refuses_names_the_file_and_the_remedy(number, remedy):
    with pytest.raises(DiskError, match=rf"out\.mp4 cannot be written: .*; {remedy}"), disk_errors("out.mp4"):
        raise OSError(number, os.strerror(number))
