"""The runner of recipes/playroom.py: what is started by whom. Its steps are predicted for in cli/test_doctor.py."""

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest

PLAYROOM = Path(__file__).parents[1] / "recipes" / "playroom.py"
TRAIN = ["train", "transformer", "--data", "a b"]


@pytest.fixture
def recipe():
    spec = importlib.util.spec_from_file_location("playroom_recipe", PLAYROOM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def launcher(tmp_path):
    """A command that writes down its words and fails where the data is `gone`."""
    program = tmp_path / "launcher.py"
    program.write_text(
        "import sys\n"
        f"print(*sys.argv[1:], sep='|', file=open({str(tmp_path / 'words')!r}, 'a'))\n"
        "sys.exit(3 * ('gone' in sys.argv))\n"
    )
    return shlex.join([sys.executable, str(program)])


def test_trainings_are_launched_and_all_else_is_done_once_here(recipe, launcher, tmp_path, monkeypatch):
    here = []
    monkeypatch.setattr(recipe, "main", lambda command: here.append(command) or 0)
    data = ["data", "playroom", "--clips", "1"]
    assert recipe.run([data, TRAIN, data], launcher) == 0
    assert here == [data, data]
    assert (tmp_path / "words").read_text() == "-m|patchworld|train|transformer|--data|a b\n"
    assert recipe.run([data, TRAIN]) == 0
    assert here[2:] == [data, TRAIN]


def test_what_fails_ends_the_recipe_with_its_status(recipe, launcher, tmp_path, monkeypatch):
    assert recipe.run([["train", "gone"], TRAIN], launcher) == 3
    assert (tmp_path / "words").read_text().count("\n") == 1
    monkeypatch.setattr(recipe, "main", lambda command: 75)
    assert recipe.run([["data"], TRAIN], launcher) == 75
