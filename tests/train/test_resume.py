"""A run that is killed, again and again, is the run that is not."""

import json
import multiprocessing
import random
import signal

import pytest
import tiny_runs
from tiny_runs import CHAOS, STEPS

KILLS = 5 * CHAOS
# One process that has imported all and run nothing; the runs are its children, so that killing one costs no import.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tiny_runs"])


def life(kind, folder, **options):
    """Train until done or killed; the signal that ended it."""
    process = processes.Process(target=tiny_runs.run, args=(kind, folder), kwargs=options)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode


def losses(folder):
    """Of every time that a step was computed: replays too."""
    lines = [line.split() for line in (folder / "losses.txt").read_text().splitlines()]
    return {(int(step), loss) for step, loss in lines}


def weights(folder):
    """The hashes of what the last checkpoint holds, and the files of the model."""
    manifest = json.loads((folder / "checkpoints" / f"step-{STEPS:08d}" / "manifest.json").read_text())
    files = {path.name: path.read_bytes() for path in (folder / "model").iterdir()}
    return {name: manifest[name]["sha256"] for name in manifest if name != "state.json"}, files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs that nothing happens to."""
    folder = tmp_path_factory.mktemp("runs")
    for kind in tiny_runs.TASKS:
        assert life(kind, folder / f"{kind}-whole") == 0
    return folder


@pytest.mark.parametrize("kind", tiny_runs.TASKS)
def test_a_run_killed_at_random_moments_equals_one_that_was_not_to_the_last_bit(kind, whole):
    folder, draw = whole / f"{kind}-killed", random.Random(kind)
    # Two steps and a save have some twenty events: half of these moments are within the first save of a life.
    kills = [life(kind, folder, kill_at=draw.randrange(2, 22)) for _ in range(KILLS)]
    assert kills == [-signal.SIGKILL] * KILLS
    assert life(kind, folder) == 0
    expected = losses(whole / f"{kind}-whole")
    assert len(expected) == STEPS
    assert losses(folder) == expected
    assert weights(folder) == weights(whole / f"{kind}-whole")


@pytest.mark.parametrize("forgotten", ["ema", "optimizer", "stage"])
def test_the_test_sees_what_is_not_brought_back(forgotten, whole):
    folder, plain = whole / f"forgot-{forgotten}", whole / "transformer-whole"
    assert life("transformer", folder, kill_at=40) == -signal.SIGKILL  # after the second save
    assert json.loads((folder / "checkpoints" / "step-00000006" / "state.json").read_text())["stage"] == [1, 5]
    assert life("transformer", folder, forget=forgotten) == 0
    assert (losses(folder), weights(folder)) != (losses(plain), weights(plain))
