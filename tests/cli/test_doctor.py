from pathlib import Path

import pytest

PLAYROOM = Path(__file__).parents[2] / "recipes" / "playroom.py"
RECIPE = """
def steps(out):
    folder, model = str(out / "clips"), str(out / "first" / "model")
    made = ["data", "playroom", "--clips", "10", "--out", folder, "--mix", "32x32x5=3", "32x48x1=1"]
    train = ["train", "transformer", "--data", folder, "--tokens", "16", "--parts", "1", "--precision", "fp32"]
    return {
        "clips": [made],
        "words": [[*train, "--out", str(out / "first"), "--preset", "tiny", "--steps", "10"]],
        "more": [[*train, "--out", str(out / "second"), "--weights", model, "--freeze", "text", "--minutes", "3"]],
        "pixels": [["train", "autoencoder", "--data", folder, "--out", str(out / "a"), "--minutes", "7"]],
    }
"""


def test_all_of_the_recipe_of_the_playroom_is_predicted_for_and_nothing_runs(run):
    status, out, err = run("doctor", PLAYROOM, "--device", "h200", "--devices", 2)
    assert (status, err) == (0, "")
    steps = "autoencoder", "transformer", "words", "further", "more", "rarer", "again", "acted"
    steps += "carried", "steered", "weighed", "fresh", "judged", "mending", "mended"
    assert all(f": OUT/{step}\n" in out for step in steps)
    assert out.count("2 x h200") == len(steps)
    assert "training: 16.5 hours in all; making 190,031 clips" in out
    assert not list(Path().iterdir())


def test_the_steps_of_a_recipe_are_measured_as_if_those_before_were_done(run):
    Path("mine.py").write_text(RECIPE)
    status, out, err = run("doctor", "mine.py", "--out", "there")
    assert status == 0, err
    words, more, pixels, total = out.strip().split("\n\n")
    assert words.startswith("words: there/first\non patterns of the sizes that are to be in there/clips\n")
    for step in (words, more, pixels):
        assert "measured in 3 steps" in step
        weights = next(line.split() for line in step.splitlines() if line.startswith("weights"))
        assert weights[1] == weights[2]
    assert "10 steps, by measurement" in words
    assert words.splitlines()[3] == more.splitlines()[3]  # goes on from a model of the same sizes
    assert "a step: 16 tokens" in more
    assert "7 minutes, by measurement" in pixels
    assert total.startswith("training: 10.")
    assert "making 10 clips" in total
    assert [path.name for path in Path().iterdir()] == ["mine.py"]


def test_what_is_there_already_is_used(run, videos, model):
    """Data in place of what is to be made, and weights that no step makes."""
    words = ["train", "transformer", "--data", str(videos), "--weights", model, "--out", "o", "--steps", "9"]
    Path("mine.py").write_text(f"def steps(out): return {{'only': [{words}]}}")
    status, out, err = run("doctor", "mine.py", "--device", "h100")
    assert (status, err) == (0, "")
    assert "patterns" not in out
    assert "9 steps, by prediction" in out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "mine.py has no function steps"),
        ("import nothing_of_the_kind", "mine.py cannot be read (ModuleNotFoundError"),
        ("def steps(out): return {'a': [['train', 'transformer', '--dat', 'x']]}", "unknown option --dat"),
        (
            "def steps(out): return {'a': [['train', 'transformer', '--data', 'x', '--out', 'y', '--steps', '1', "
            "'--weights', 'z']]}",
            "z is not there, and no step of mine.py makes it",
        ),
    ],
)
def test_recipes_that_cannot_be_read_are_refused(refused, text, reason):
    Path("mine.py").write_text(text)
    assert reason in refused("doctor", "mine.py")


def test_a_machine_that_is_not_here_is_predicted_for_and_nothing_runs(run):
    status, out, err = run("doctor", "transformer", "--device", "h100", "--devices", 8, "--preset", "1b", "--steps", 10)
    assert (status, err) == (0, "")
    assert out.startswith("8 x h100")
    assert "measured" not in out
    assert "10 steps, by prediction" in out


def test_this_machine_is_predicted_for_and_measured_and_nothing_is_written(run, videos, tmp_path):
    words = ("--data", videos, "--preset", "tiny", "--tokens", 16, "--steps", 5, "--precision", "fp32")
    status, out, _ = run("doctor", "transformer", *words)
    assert status == 0
    assert "measured in 3 steps" in out
    assert "5 steps, by measurement" in out
    weights = next(line.split() for line in out.splitlines() if line.startswith("weights"))
    assert weights[1] == weights[2]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "nothing to measure: give --data, or --device"),
        (("--device", "abacus"), "unknown device 'abacus': known are rtx3090"),
        (("--devices", 4), "devices=4: give 1 or more, and say of which kind"),
        (("--device", "h100", "--weights"), "predicted for with --data alone"),
        (("--device", "h100", "--clip", "17x64"), "'17x64' is not a clip"),
        (("--device", "h100", "--preset", "huge"), "unknown preset 'huge'"),
        (("--device", "h100", "--tokens", 0), "tokens=0 is too few"),
    ],
)
def test_what_cannot_be_is_refused(refused, words, reason):
    assert reason in refused("doctor", "transformer", "--steps", 5, *words)


def test_options_that_a_recipe_decides_and_recipes_that_are_not_there_are_refused(refused):
    assert "--on-trouble is what the recipe says" in refused("doctor", PLAYROOM, "--on-trouble", "skip")
    assert "there is no recipe transfomer" in refused("doctor", "transfomer", "--device", "h100")
    assert "missing RECIPE" in refused("doctor")
