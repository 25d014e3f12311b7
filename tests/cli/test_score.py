import json

import pytest


@pytest.fixture(scope="module", autouse=True)
def drawing(opengl: None) -> None:
    pass


def test_score_prints_a_table_and_writes_a_page_and_json(model, run, tmp_path):
    status, out, err = run("score", "--model", model, "--prompts", 1, "--quick", "--steps", 1, "--workers", 1)
    assert (status, err.strip()) == (0, "")
    assert out.splitlines()[0].split("|")[1:4] == [" question     ", " renders         ", " renders, shuffled "]
    assert "| colours" in out
    told = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert (told["steps"], told["prompts_of_each_kind"]) == (1, 1)
    assert {prompt["suite"] for prompt in told["prompts"]} == {"rests", "rolls"}
    assert (tmp_path / "scores" / "scores.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--prompts", 0], "prompts=0"),
        (["--workers", 0], "workers=0"),
        (["--steps", 0], "steps=0 is out of range"),
        (["--model", "nowhere"], "nowhere holds no model.json"),
        (["--model", "nowhere", "--out", "new"], "nowhere holds no model.json"),
    ],
)
def test_score_refuses_what_it_cannot_do_before_it_begins(more, message, model, refused):
    words = ["score", "--model", model, *more]
    assert message in refused(*words)


def test_score_refuses_a_file_for_its_folder(model, run, tmp_path):
    (tmp_path / "scores").write_text("")
    status, _, err = run("score", "--model", model, "--prompts", 1, "--quick")
    assert (status, "scores is a file" in err) == (2, True)
