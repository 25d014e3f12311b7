import pytest

from patchworld.errors import InputError
from patchworld.video.made_folder import settle

SETTINGS = {"version": 1, "seed": 3, "mix": [[64, 64], [96, 96]]}


def test_the_same_settings_go_on_and_others_are_refused_by_name(tmp_path):
    folder = tmp_path / "data"
    settle(folder, SETTINGS, ["clips"])
    assert (folder / "clips").is_dir()
    settle(folder, SETTINGS, ["clips"])
    with pytest.raises(InputError, match=r"seed=3, not 4.*another folder"):
        settle(folder, {**SETTINGS, "seed": 4}, ["clips"])
    with pytest.raises(InputError, match="another mix"):
        settle(folder, {**SETTINGS, "mix": []}, ["clips"])


@pytest.mark.parametrize("content", ["", "{", "7", "[1, 2]"])
def test_a_damaged_record_is_told_with_its_remedy(content, tmp_path):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=r"dataset.json is damaged.*make the data set again"):
        settle(tmp_path, SETTINGS, ["clips"])


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is not empty"):
        settle(tmp_path, SETTINGS, ["clips"])
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
