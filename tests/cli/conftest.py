import re
from pathlib import Path

import pytest
from tiny import moving_square

from patchworld.cli import main
from patchworld.model import save


@pytest.fixture(scope="session")
def model(tiny_model, tmp_path_factory):
    """The folder of a whole model."""
    folder = tmp_path_factory.mktemp("cli") / "model"
    save(tiny_model, folder)
    return str(folder)


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """A folder as anyone would make it: mixed sizes, rates and lengths, and a text file beside each."""
    folder = tmp_path_factory.mktemp("videos")
    for number, (frames, size, fps) in enumerate([(9, (32, 32), 8), (6, (50, 34), 25), (5, (24, 48), 12)]):
        moving_square(frames, size, fps).save(folder / f"{number}.mp4")
        (folder / f"{number}.txt").write_text(f"square {number} moves to the right\n")
    for name, size in (("still", (40, 32)), ("icon", (6, 4))):
        moving_square(1, size).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("一个红色的方块", encoding="utf-8")
    (folder / "notes.txt").write_text("not a caption")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder: (exit status, what it printed, what a terminal shows of its complaints)."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, re.sub(r"[^\n]*\r", "", err)  # a progress bar goes back to the start of its line

    return call


@pytest.fixture
def refused(run):
    """Runs a command that must end with one line on stderr and leave the folder as it was; returns the line."""

    def call(*words, status=2):
        before = sorted(Path().rglob("*"))
        found, out, err = run(*words)
        assert (found, out) == (status, "")
        assert re.fullmatch(r"patchworld: [^\r\n]+\n", err), err
        assert sorted(Path().rglob("*")) == before
        return err

    return call
