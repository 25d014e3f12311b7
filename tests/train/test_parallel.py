"""Several ranks, on this machine, learn what one process learns."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tiny_ranks
import torch
from safetensors.torch import load_file
from tiny_ranks import STEPS, run

import patchworld
from patchworld.errors import InputError
from patchworld.train.checkpoint import find_fault
from patchworld.train.health import UNJUDGED
from patchworld.train.parallel import join_ranks, shares

LAYOUTS = {
    "one copy": (2, {"recompute": 1}),
    "two copies": (2, {"shard": 1}),
    "half of the tokens each": (2, {"sequence": 2, "recompute": 2}),
    "two copies in two shards": (4, {"shard": 2}),
    "parts, shards and tokens": (4, {"shard": 4, "sequence": 2}),
    "three, for four parts": (3, {}),
}


def rows(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"], row["grad_norm"]) for row in found if "loss" in row]


def judged(folder):
    """The figures of the model at the end."""
    found = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert "loss" not in found
    return list(found.values())


def seen(folder):
    """The samples of every part that any rank computed."""
    lines = [line for path in folder.glob("seen-*.txt") for line in path.read_text().splitlines()]
    return sorted(set(lines), key=lambda line: int(line.split()[0]))


def newest(folder, name):
    return load_file(folder / "checkpoints" / f"step-{STEPS:08d}" / f"{name}.safetensors")


def alike(folder, other):
    """Whether two runs have the same losses, gradients, weights and averages, but for the order of sums."""
    ours, theirs = rows(folder), rows(other)
    weights = [(newest(folder, name), newest(other, name)) for name in ("model", "ema")]
    return (
        [row[0] for row in ours] == [row[0] for row in theirs]
        and [row[1] for row in ours] == pytest.approx([row[1] for row in theirs], rel=1e-6)
        and [row[2] for row in ours] == pytest.approx([row[2] for row in theirs], rel=1e-4)
        # Where gradients cancel, AdamW moves by what rounding has left of them.
        and all(torch.allclose(a[key], b[key], rtol=1e-3, atol=5e-5) for a, b in weights for key in b)
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of one process, and of two ranks, to which nothing happens."""
    folder = tmp_path_factory.mktemp("runs")
    assert run(1, tiny_ranks.transformer, folder / "one") == [0]
    assert run(2, tiny_ranks.transformer, folder / "two") == [0, 0]
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ranks_have_the_losses_of_one_process(layout, runs):
    size, settings = LAYOUTS[layout]
    assert run(size, tiny_ranks.transformer, runs / layout, **settings) == [0] * size
    assert alike(runs / layout, runs / "one")
    assert seen(runs / layout) == seen(runs / "one")
    assert judged(runs / layout) == pytest.approx(judged(runs / "one"), rel=1e-2)  # in bf16
    assert len(list((runs / layout / "samples").iterdir())) == 1
    assert not any((runs / layout / f"told-{rank}.txt").read_text() for rank in range(1, size))


def test_an_autoencoder_learns_and_is_judged_the_same_on_two_ranks(tmp_path):
    for size, name in ((1, "one"), (2, "two")):
        assert run(size, tiny_ranks.autoencoder, tmp_path / name) == [0] * size
    assert alike(tmp_path / "two", tmp_path / "one")
    assert judged(tmp_path / "two") == pytest.approx(judged(tmp_path / "one"), rel=1e-2)
    assert (tmp_path / "two" / "model" / "autoencoder.safetensors").exists()


@pytest.mark.parametrize(
    ("sabotage", "settings"),
    [("parts differ", {}), ("copies apart", {"shard": 1}), ("wrong words", {"sequence": 2})],
)
def test_the_comparison_sees_what_is_wrong(sabotage, settings, runs):
    folder = runs / sabotage
    assert run(2, tiny_ranks.transformer, folder, sabotage=sabotage, **settings) == [0, 0]
    assert not alike(folder, runs / "one")


def test_muon_on_several_ranks_has_the_losses_of_one_process(runs):
    """Its weights are not compared: it works in bf16, where another last bit may become another third digit."""
    for size, name in ((1, "muon"), (4, "muon on four")):
        settings = {"shard": 2} if size == 4 else {}
        assert run(size, tiny_ranks.transformer, runs / name, optimizer="muon", **settings) == [0] * size
    ours, theirs = ([row[1] for row in rows(runs / name)] for name in ("muon on four", "muon"))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert ours != pytest.approx([row[1] for row in rows(runs / "one")], rel=1e-5)


def test_bf16_differs_from_one_process_by_bf16(runs):
    for size, name in ((1, "one in bf16"), (2, "two in bf16")):
        assert run(size, tiny_ranks.transformer, runs / name, precision="bf16") == [0] * size
    ours, theirs = ([row[1] for row in rows(runs / name)] for name in ("two in bf16", "one in bf16"))
    assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.fixture(scope="module")
def begun(runs):
    """A run of four ranks that was stopped after three of its steps, by Ctrl-C on one of them."""
    assert run(4, tiny_ranks.transformer, runs / "begun", stop_after=3) == [0] * 4
    assert len(rows(runs / "begun")) == 3
    return runs / "begun"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_another_number_of_ranks_goes_on_with_the_same_samples_and_losses(size, begun, runs):
    folder = runs / f"went on with {size}"
    shutil.copytree(begun, folder)
    assert run(size, tiny_ranks.transformer, folder) == [0] * size
    assert alike(folder, runs / "one")
    assert seen(folder) == seen(runs / "one")


def test_the_test_sees_moments_that_are_not_brought_back(begun, runs):
    folder = runs / "no moments"
    shutil.copytree(begun, folder)
    assert run(2, tiny_ranks.transformer, folder, sabotage="no moments") == [0, 0]
    assert not alike(folder, runs / "one")


def test_weights_are_equal_bit_by_bit_whatever_number_of_ranks_holds_them(runs, tmp_path):
    folder = tmp_path / "two"
    shutil.copytree(runs / "two", folder)
    before = {path.name: path.read_bytes() for path in (folder / "model").iterdir()}
    for size in (1, 3):  # the run is done: the model is made anew of the checkpoint
        shutil.rmtree(folder / "model")
        assert run(size, tiny_ranks.transformer, folder) == [0] * size
        assert {path.name: path.read_bytes() for path in (folder / "model").iterdir()} == before


def test_a_rank_that_dies_ends_the_others_and_the_run_goes_on_to_the_last_bit(runs):
    folder = runs / "killed"
    started = tiny_ranks.start(3, tiny_ranks.transformer, folder, kill_at=5)
    started[1].join(100)
    assert started[1].exitcode == -signal.SIGKILL
    died = time.monotonic()
    for process in started:
        process.join(30)
    assert time.monotonic() - died < 30
    assert [process.exitcode for process in started] == [1, -signal.SIGKILL, 1]
    assert "cannot reach another rank" in (folder / "told-0.txt").read_text()
    assert run(3, tiny_ranks.transformer, folder) == [0] * 3
    whole = runs / "three, for four parts"
    if not whole.exists():
        assert run(3, tiny_ranks.transformer, whole) == [0] * 3
    assert rows(folder) == rows(whole)
    for name in ("model", "ema", "optimizer"):
        ours, theirs = newest(folder, name), newest(whole, name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_trouble_on_one_rank_stops_all_before_the_update(bad, tmp_path):
    assert run(2, tiny_ranks.line, tmp_path, bad={4: bad}) == [1, 1]
    told = [(tmp_path / f"told-{rank}.txt").read_text() for rank in (0, 1)]
    assert told[0].count("step 4: loss") == 1
    assert "its samples on rank 1: clip 4-1; look at them" in told[0]
    assert told[1] == ""
    last = sorted((tmp_path / "checkpoints").glob("step-*"))[-1]
    assert load_file(last / "model.safetensors")["weight"].isfinite().all()


# Every other step is bad, in four ways in turn, once there are steps to judge by.
BAD_STEPS = {UNJUDGED + 2 * number: list(tiny_ranks.BAD)[number % 4] for number in range(80)}


def moved_by_bad_steps(folder, policy):
    """The bad steps, and ranks, after which the weights are not those that the policy asks for."""
    moved = []
    for rank in (0, 1):
        found = [json.loads(line) for line in (folder / f"weights-{rank}.txt").read_text().splitlines()]
        before = {step: weights for (step, _), weights in found}
        back = {"skip": lambda step: step, "rewind": lambda step: 0}[policy]
        moved += [(step, rank) for step in BAD_STEPS if before[step + 1] != before[back(step)]]
    return moved


@pytest.mark.parametrize("policy", ["skip", "rewind"])
def test_eighty_bad_steps_move_the_weights_of_no_rank(policy, tmp_path):
    settings = {"bad": BAD_STEPS, "steps": max(BAD_STEPS) + 2, "on_trouble": policy}
    assert run(2, tiny_ranks.line, tmp_path, **settings) == [0, 0]
    assert moved_by_bad_steps(tmp_path, policy) == []
    told = (tmp_path / "told-0.txt").read_text()
    for step, kind in BAD_STEPS.items():
        samples = f"{step}-0, clip {step}-1" if kind == "a huge gradient" else f"{step}-1"
        rank = "0 and 1" if kind == "a huge gradient" else "1"
        assert re.search(rf"step {step}: .*; its samples on rank {rank}: clip {samples} \({policy}\)\n", told)
    assert (tmp_path / "told-1.txt").read_text() == ""
    found = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] - 1 for row in found if "not_learned_from" in row] == list(BAD_STEPS)
    assert (tmp_path / "samples" / "picture").read_text() == "seen"


def test_the_test_sees_steps_that_nobody_judges(tmp_path):
    settings = {"bad": BAD_STEPS, "steps": max(BAD_STEPS) + 2, "on_trouble": "skip", "sabotage": "not judged"}
    assert run(2, tiny_ranks.line, tmp_path, **settings) == [1, 1]  # the last checkpoint would not be finite
    assert moved_by_bad_steps(tmp_path, "skip")


def test_a_full_disk_ends_all_ranks_is_told_once_and_the_run_goes_on_when_there_is_room(small_disk, tmp_path):
    """The kernel refuses, not a mock."""
    out = small_disk / "run"
    assert run(2, tiny_ranks.line, tmp_path, steps=4, out=out) == [0, 0]
    before = out / "checkpoints" / "step-00000004"
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 12288))  # metrics find room
    assert run(2, tiny_ranks.line, tmp_path, out=out) == [75, 75]
    assert (tmp_path / "told-0.txt").read_text().count("make room for") == 1
    assert (tmp_path / "told-1.txt").read_text() == ""
    assert list(before.parent.iterdir()) == [before]
    assert find_fault(before) is None
    (small_disk / "filler").unlink()
    assert run(2, tiny_ranks.line, tmp_path, out=out) == [0, 0]
    assert [row[0] for row in rows(out)] == list(range(1, 9))


def test_a_folder_that_became_read_only_ends_all_ranks_and_is_told_of(small_disk, tmp_path):
    out = small_disk / "run"
    assert run(2, tiny_ranks.line, tmp_path, steps=4, out=out) == [0, 0]
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        assert run(2, tiny_ranks.line, tmp_path, out=out) == [75, 1]
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert "Read-only file system" in (tmp_path / "told-0.txt").read_text()
    assert find_fault(out / "checkpoints" / "step-00000004") is None


def test_more_ranks_than_parts_are_refused(tmp_path):
    assert run(3, tiny_ranks.line, tmp_path) == [2, 2, 2]
    assert "3 ranks are too many for steps of 2 parts" in (tmp_path / "told-0.txt").read_text()


@pytest.mark.parametrize("option", [{"shard": 2}, {"sequence": 2}])
def test_ranks_that_are_not_there_are_asked_for(option):
    message = "=2 does not divide the 1 ranks of this run: start as many with torchrun"
    with pytest.raises(InputError, match=message), join_ranks(**option):
        pass


def test_restarts_in_which_ranks_would_not_find_each_other_are_refused(monkeypatch):
    """By torchrun --max-restarts 3, whose store keeps the addresses of dead ranks unless it is told not to."""
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    with pytest.raises(InputError, match="export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"), join_ranks():
        pass
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "False")
    with join_ranks() as ranks:
        assert ranks.size == 1


@pytest.mark.parametrize(("total", "size"), [(7, 3), (6, 3), (2, 4), (1, 1)])
def test_shares_are_as_equal_as_can_be(total, size):
    found = shares(total, size)
    assert sum(found) == total
    assert len(found) == size
    assert max(found) - min(found) <= 1


def test_nothing_else_knows_of_process_groups():
    source = Path(patchworld.__file__).parent
    knowing = {path.relative_to(source) for path in source.rglob("*.py") if "torch.distributed" in path.read_text()}
    assert knowing == {Path("train/parallel.py")}
