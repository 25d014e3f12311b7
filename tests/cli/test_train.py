import re
import signal
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_commands import no_file_above, quick

from patchworld.video import read


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--steps", 2, "--data", "missing"), "missing is not a folder: give the folder that holds the videos"),
        (("--steps", 2, "--data", "bare"), "bare holds no captioned videos or images: add captions.jsonl"),
        (("--steps", 2, "--data", "latin"), "a.txt is not UTF-8 .*: save it as UTF-8"),
        (("--steps", 2, "--data", "lines"), "captions.jsonl, line 1 is not JSON .*: write one object a line"),
        ((), "minutes=None and steps=None: give exactly one"),
        (("--steps", 2, "--minutes", 2), "minutes=2.0 and steps=2: give exactly one"),
        (("--minutes", "nan"), "minutes=nan: .*finite"),
        (("--minutes", "inf"), "minutes=inf: .*finite"),
        (("--minutes", 0), "minutes=0.0: .*greater than 0"),
        (("--steps", 0), "steps=0: .*greater than 0"),
        (("--steps", 2, "--lr", 0), "lr=0.0: .*greater than 0"),
        (("--steps", 2, "--lr-decay", 2), "lr_decay=2.0: .*less than or equal to 1"),
        (("--steps", 2, "--seed", -1), "seed=-1: "),
        (("--steps", 2, "--precision", "fp8"), r"unknown --precision 'fp8' \(known: bf16, fp32\)"),
        (("--steps", 2, "--preset", "huge"), "unknown preset 'huge': known are tiny, small, base, medium"),
        (("--steps", 2, "--tokens", 0), "tokens=0 is too few: give 1 or more"),
        (("--steps", 2, "--parts", 0), "parts=0 is too few: give 1 or more"),
        (("--steps", 2, "--recompute", 9, "--preset", "tiny"), "recompute=9 is out of range: use 0 to 2"),
        (("--steps", 2, "--shard", 0), "shard=0: .*greater than 0"),
        (("--steps", 2, "--shard", 2), "shard=2 does not divide the 1 ranks of this run: start as many with torchrun"),
        (("--steps", 2, "--sequence", 2), "sequence=2 does not divide the 1 ranks"),
        (("--steps", 2, "--stages", "0.5:80,1"), "'0.5:80' is no stage: write END"),
        (("--steps", 2, "--stages", "0.5:tokens=few,1"), "stages.0.most_tokens=few: "),
        (("--steps", 2, "--stages", "1:drop=1"), "stages.0.drop=1: .*less than 1"),
        (("--steps", 2, "--stages", "0.8,0.5"), "let each end later than the one before, and the last one at 1"),
        (
            ("--steps", 2, "--process", "ddpm", "--base-tokens", 80),
            "base-tokens belong to flow: leave them",
        ),
        (("--steps", 2, "--process", "flwo"), r"unknown --process 'flwo' \(did you mean flow\?\)"),
        (("--steps", 2, "--autoencoder", "missing"), "missing holds no model.json"),
        (("--steps", 2, "--out", "bare/a.mp4"), "bare/a.mp4 is a file: give the name of a folder"),
    ],
)
def test_train_refuses_settings_before_it_begins(more, message, model, videos, refused):
    for folder in ("bare", "latin", "lines"):
        Path(folder).mkdir()
        Path(folder, "a.mp4").touch()
    Path("latin/a.txt").write_bytes("Bär".encode("latin-1"))
    Path("lines/captions.jsonl").write_text('{"video":\n')
    command = ("train", "transformer", "--data", videos, "--out", "run", "--autoencoder", model)
    assert re.search(message, refused(*command, *more))


@pytest.fixture
def _known_peak(monkeypatch):
    """Spares the seconds in which the machine's speed is measured."""
    monkeypatch.setattr("patchworld.train.loop.matmul_peak", lambda dtype: 1e11)


@pytest.mark.usefixtures("_known_peak")
def test_a_folder_of_ordinary_videos_trains_an_autoencoder_and_a_transformer_that_dream(videos, run):
    status, out, _ = run("train", "autoencoder", "--data", videos, "--out", "eyes", "--steps", 2)
    assert (status, out.split(":")[0]) == (0, "eyes/model")
    status, out, _ = run("reconstruct", videos / "0.mp4", "-o", "seen.mp4", "--model", "eyes/model")
    assert float(out.split("PSNR ")[1].split()[0]) > 25  # the closed form alone is good
    train = ("train", "transformer", "--data", videos, "--out", "mind", "--autoencoder", "eyes/model", "--steps", 2)
    status, out, _ = run(*train, "--preset", "tiny")
    assert (status, out.split(":")[0]) == (0, "mind/model")
    assert _steps("mind") == [1, 2]
    assert list(Path("mind/samples").glob("*.png"))
    assert "--model mind/model" in out
    assert run(*quick("mind/model", "dream.mp4"))[0] == 0
    assert read("dream.mp4").num_frames == 17
    told = run(*train, "--preset", "tiny", "--process", "ddpm")[2]
    assert re.search(r"does not fit this run: .* instead of .*; start in another folder", told)


@pytest.mark.usefixtures("_known_peak")
def test_the_same_command_goes_on_with_a_training_that_ctrl_c_or_a_full_disk_stopped(model, videos, run, monkeypatch):
    command = ("train", "transformer", "--data", videos, "--out", "mind", "--autoencoder", model, "--preset", "tiny")
    with monkeypatch.context() as patch:
        patch.setattr("patchworld.train.loop._show", lambda *_: signal.raise_signal(signal.SIGINT))
        status, _, err = run(*command, "--steps", 3)
    assert (status, _steps("mind")) == (0, [1])
    assert "stopped at step 1; run the same command again to continue" in err

    with Path("mind/metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "sec')
    with no_file_above(50_000):
        status, _, err = run(*command, "--steps", 3)
    assert (status, _steps("mind")) == (75, [1, 2, 3])
    told = r"cannot write checkpoint .*File too large.*: make room for [\d,]+ bytes and run the same command"
    assert re.search(told, err)
    assert [path.name for path in Path("mind/checkpoints").iterdir()] == ["step-00000001"]

    assert run(*command, "--steps", 3)[0] == 0
    assert _steps("mind") == [1, 2, 3]


def _steps(folder):
    """The steps in the metrics of a run, each once, that have a loss."""
    rows = Path(folder, "metrics.jsonl").read_text().splitlines()
    return [int(re.search(r'"step": (\d+)', row)[1]) for row in rows if '"loss"' in row]


@pytest.mark.usefixtures("_known_peak")
def test_latents_that_a_full_disk_cut_off_are_not_kept(model, videos, run):
    command = ("train", "transformer", "--data", videos, "--out", "mind", "--autoencoder", model, "--preset", "tiny")
    with no_file_above(300):
        status, _, err = run(*command, "--steps", 1)
    assert status == 75
    assert re.search(r"patchworld: mind/latents/\S+ cannot be written: file too large", err)
    assert run(*command, "--steps", 1)[0] == 0


def test_weights_are_gone_on_from_and_judged_before_and_after(run, model, videos):
    words = ("--data", videos, "--weights", model, "--steps", 2, "--tokens", 16, "--freeze", "text")
    status, out, err = run("train", "transformer", *words, "--out", "runs")
    assert (status, out) == (
        0,
        "runs/model: dream with it by patchworld generate PROMPT -o out.mp4 --model runs/model\n",
    )
    assert "step 0: held_out_loss" in err
    assert "step 2: held_out_loss" in err
    assert run("train", "report", "runs", "--tensorboard")[:2] == (0, "runs/report.html: open it in a browser\n")
    assert Path("runs/report.html").stat().st_size > 5000
    assert len(list(Path("runs/tensorboard").iterdir())) == 1


def test_ranks_that_share_weights_cannot_judge(refused, model, videos, monkeypatch):
    two = nullcontext(SimpleNamespace(size=2, rank=0))
    monkeypatch.setattr("patchworld.train.parallel.join_ranks", lambda *_: two)
    words = ("train", "transformer", "--data", videos, "--out", "runs", "--steps", 1, "--judged", "--weights", model)
    assert "--judged on several ranks needs all weights on each: add --shard 1" in refused(*words)


def test_dreams_are_judged_by_the_referee(run, refused, model, videos):
    words = ("train", "transformer", "--data", videos, "--out", "runs", "--steps", 1, "--tokens", 16, "--judged")
    assert "--judged goes on from whole --weights, with 2 --parts a step or more" in refused(*words)
    assert "--judged goes on from" in refused(*words, "--weights", model, "--parts", 1)
    status, _, err = run(*words, "--weights", model, "--parts", 2)
    assert status == 0
    mark = float(re.search(r"step 1: held_out_loss [\d.]+, mark ([\d.]+)", err)[1])
    assert 0 <= mark <= 1


@pytest.mark.parametrize("option", ["--autoencoder", "--preset", "--text-encoder", "--process", "--base-tokens"])
def test_what_the_weights_decide_cannot_be_asked_for(refused, model, videos, option):
    value = {"--process": "flow", "--base-tokens": "80"}.get(option, "tiny")
    words = ("--data", videos, "--out", "runs", "--weights", model, "--steps", 2, option, value)
    assert f"{option} is decided by the weights" in refused("train", "transformer", *words)


def test_the_report_of_what_is_no_run_is_refused(refused):
    assert "metrics.jsonl does not exist" in refused("train", "report", "runs")
    assert "watch=0 is too short" in refused("train", "report", "runs", "--watch", 0)
