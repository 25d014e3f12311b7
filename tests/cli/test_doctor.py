import pytest


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
