import json
from pathlib import Path

import numpy as np
import pytest
from painting import box, paint

from patchworld.errors import RunError
from patchworld.playroom import sample_scene
from patchworld.scorecard import QUESTIONS, Prompt
from patchworld.scorecard.answer import Answer
from patchworld.scorecard.examination import MODEL, RENDERS, SHUFFLED, Result
from patchworld.scorecard.report import distances, summary, table, write_report


def results(number: int = 3) -> list[Result]:
    scene = sample_scene(0, 0, frames=1, size=(64, 64))
    rng = np.random.default_rng(0)
    found = []
    for i in range(number):
        judged = {
            "colours": Answer(i > 0, "red", "<b>blue</b>"),
            "gravity": Answer(True, "9.81", "9", 9.0 + 0.5 * (i % 3)),
        }
        columns = dict.fromkeys((RENDERS, RENDERS + SHUFFLED, MODEL, MODEL + SHUFFLED), judged)
        clips = {RENDERS: paint([[box("red", 20, 40)]] * 2)} if i == 0 else {}
        features = {name: rng.standard_normal(64) for name in (RENDERS, MODEL)}
        found.append(Result(Prompt("rests", i, scene, "a <red> cube", "en"), columns, features, clips))
    return found


def test_the_table_has_a_row_a_question_and_the_mean() -> None:
    lines = table(QUESTIONS, results()).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["question", "-" * 10, "colours", "gravity", "mean"]
    assert "67% (21%-94%)" in lines[2]
    assert "83%" in lines[4]


def test_the_page_is_one_file_that_escapes_what_it_shows(tmp_path: Path) -> None:
    _, page = write_report(tmp_path / "scores", QUESTIONS, results(), {"model": "abc"})
    text = page.read_text(encoding="utf-8")
    assert "a &lt;red&gt; cube" in text
    assert "<b>blue" not in text
    assert text.count("data:video/mp4;base64,") == 1
    assert "http" not in text


def test_the_json_holds_every_answer_and_interval(tmp_path: Path) -> None:
    path, _ = write_report(tmp_path, QUESTIONS, results(), {"model": "abc"})
    told = json.loads(path.read_text())
    assert told["model"] == "abc"
    assert told["scores"]["colours"][MODEL]["right"] == 2
    assert told["scores"]["colours"][MODEL]["interval"] == pytest.approx([0.208, 0.939], abs=1e-3)
    assert told["splits"][MODEL]["colours"]["English"]["asked"] == 3
    assert told["gravity"][MODEL] == [9.0, 9.25, 9.5, 9.75, 10.0]
    assert [prompt["answers"][MODEL]["colours"][0] for prompt in told["prompts"]] == [False, True, True]


def test_a_distance_needs_enough_clips() -> None:
    assert distances(results(20)) == {}
    many = distances(results(400))
    assert 0 < many["model to renders"] < 10
    assert any("Fréchet" in line for line in summary(results(400)))


def test_a_disk_that_takes_nothing_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        write_report(tmp_path / "file" / "scores", QUESTIONS, results(1), {})
