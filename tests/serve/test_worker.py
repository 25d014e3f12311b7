"""Workers as processes: killed, told to go, cancelled, and left by their server."""

import math
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from serving import settings_in

from patchworld.batching import Batch
from patchworld.lora import Lora, layers, save_lora
from patchworld.model import load, save
from patchworld.serve.store import MASTER, VARIANTS, Store
from patchworld.serve.worker import open_queue, plan, tokens, work
from patchworld.shapes import Grid
from patchworld.video import read
from patchworld.video.reading import read_recipe

LONG = {
    "verb": "generate",
    "arguments": {"prompt": "a red ball", "frames": 64, "size": [32, 32], "fps": 4.0},
    "negative": "",
    "frames": 64,
    "size": "32x32",
    "sampling": {"seed": 3, "steps": 200, "guidance": 3.0},
}
SHORT = {
    **LONG,
    "frames": 4,
    "arguments": {**LONG["arguments"], "frames": 4},
    "sampling": {**LONG["sampling"], "steps": 1},
}


@pytest.fixture
def settings(tiny_model, tmp_path):
    save(tiny_model, tmp_path / "model")
    return settings_in(tmp_path / "served", model=tmp_path / "model", keys={}, lease=3.0)


def start(settings):
    worker = subprocess.Popen([sys.executable, "-m", "patchworld.serve.worker"], stdin=subprocess.PIPE)
    worker.stdin.write(settings.model_dump_json().encode() + b"\n")
    worker.stdin.flush()
    return worker


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def submit(queue, store, request):
    job = queue.submit("ann", request)
    store.job_folder(job.id).mkdir()
    return job.id


def test_a_job_outlives_its_workers_and_the_sweep_leaves_only_its_files(settings):
    queue, store = open_queue(settings), Store(settings.folder)
    long = submit(queue, store, LONG)
    first = start(settings)
    until(lambda: queue.find(long).progress > 0)
    first.kill()
    first.wait()
    first.stdin.close()
    died = queue.find(long).token
    second = start(settings)
    until(lambda: queue.find(long).attempts == 2 and queue.find(long).progress > 0)
    assert queue.find(long).token != died
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    second.stdin.close()
    back = queue.find(long)
    assert (back.status, back.attempts) == ("queued", 1)  # it was put back, and that cost no attempt
    queue.cancel("ann", long)
    short = submit(queue, store, SHORT)
    third = start(settings)
    until(lambda: queue.find(short).status == "completed")
    third.stdin.close()  # as when the server is gone
    assert third.wait(30) == 0
    done = queue.find(short)
    assert [read(store.file(done, suffix)).num_frames for suffix in (MASTER, ".mp4")] == [4, 4]
    (store.job_folder(short) / ".patchworld-left.part").write_text("of a worker that died")
    store.sweep(queue)
    names = sorted(path.name for path in store.job_folder(short).iterdir())
    assert names == sorted(f"{done.token}{suffix}" for suffix in (MASTER, *(suffix for suffix, _ in VARIANTS.values())))
    assert list(store.job_folder(long).iterdir()) == []


def test_small_jobs_are_dreamed_at_once_and_each_is_what_it_is_alone(tiny_model, settings):
    queue, store, leaving = open_queue(settings), Store(settings.folder), threading.Event()
    asked = [{**SHORT, "sampling": {"seed": seed, "steps": 40, "guidance": 3.0}} for seed in range(4)]
    ids = [submit(queue, store, request) for request in asked]
    stopped = submit(queue, store, LONG)
    worker = threading.Thread(target=work, args=(tiny_model, settings, leaving))
    worker.start()
    try:
        most = 0
        while not all(queue.find(id).finished for id in ids):
            most = max(most, queue.counts()["in_progress"])
            time.sleep(0.01)
        queue.cancel("ann", stopped)
        until(lambda: queue.find(stopped).finished)
    finally:
        leaving.set()
        worker.join()
    assert most > 2
    assert queue.find(stopped).error_code == "cancelled"
    for id, request in zip(ids, asked, strict=True):
        done = queue.find(id)
        assert (done.status, done.attempts) == ("completed", 1)
        alone = tiny_model.dream(*plan(request, settings.folder))
        assert np.array_equal(read(store.file(done, MASTER)).frames, alone.frames)


def test_a_job_takes_the_tokens_of_its_largest_window_and_one_that_was_tried_before_takes_all(settings):
    queue = open_queue(settings)
    job = queue.submit("ann", {**SHORT, "frames": 17, "size": "64x48"})
    assert tokens(job, Grid(4, 16), 0) == 5 * 4 * 3
    long = replace(job, request={**job.request, "frames": 1000})
    assert tokens(long, Grid(4, 16), 0) == 17 * 4 * 3
    assert tokens(job, Grid(4, 16), 1) == math.inf


def test_a_busy_worker_leaves_what_is_large_or_was_tried_before(tiny_model, settings, monkeypatch):
    """Six jobs of one token frame in packs of three; one had a worker that died."""
    queue, taken = open_queue(settings), []
    for _ in range(6):
        queue.submit("ann", {**SHORT, "frames": 1})
    queue.fail(queue.claim(), "server_error", "once", retry=True)
    leaving, together = threading.Event(), []

    def do(batch, queue, store, job, leaving, settings):
        together.append(job)
        taken.append((job.attempts, len(together)))
        time.sleep(0.5)
        together.remove(job)
        queue.complete(job)

    monkeypatch.setattr("patchworld.serve.worker.do", do)
    worker = threading.Thread(target=work, args=(tiny_model, settings.model_copy(update={"batch": 3 * 4}), leaving))
    worker.start()
    until(lambda: queue.counts()["completed"] == 6)
    leaving.set()
    worker.join()
    assert max(number for _, number in taken) == 3
    assert [number for attempts, number in taken if attempts > 1] == [1]


def test_a_full_disk_fails_the_job_and_is_said(settings, tiny_model, monkeypatch):
    from patchworld.errors import RunError
    from patchworld.serve import worker

    queue, store = open_queue(settings), Store(settings.folder)
    id = submit(queue, store, SHORT)

    class Full:
        def __init__(self, path, *_, **__):
            self.path = path

        def __enter__(self):
            raise RunError(f"{self.path} cannot be written: no space left on device; free some space")

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(worker, "Writer", Full)
    worker.do(Batch(tiny_model), queue, store, queue.claim(), threading.Event(), settings)
    failed = queue.find(id)
    assert (failed.status, failed.error_code) == ("failed", "storage_full")
    assert str(settings.folder) not in failed.error_message
    monkeypatch.undo()
    again = submit(queue, store, SHORT)
    worker.do(Batch(tiny_model), queue, store, queue.claim(), threading.Event(), settings)
    assert queue.find(again).status == "completed"


def test_a_worker_adds_the_adapter_that_it_is_told_of(settings, tmp_path):
    model = load(settings.model)
    parts = torch.nn.ModuleDict({"denoiser": model.denoiser, "text": model.text_encoder})
    tensors = {}
    for name, layer in layers(parts).items():
        outputs, inputs = layer.weight.shape
        tensors |= {f"{name}.lora_A.weight": torch.ones(1, inputs), f"{name}.lora_B.weight": torch.ones(outputs, 1)}
    save_lora(tmp_path / "lora", Lora(rank=1, model=model.hash), tensors)
    settings = settings.model_copy(update={"lora": tmp_path / "lora", "lora_strength": 0.5})
    queue, store = open_queue(settings), Store(settings.folder)
    id = submit(queue, store, SHORT)
    worker = start(settings)
    until(lambda: queue.find(id).finished, 120)
    worker.communicate()
    recipe = read_recipe(store.file(queue.find(id), MASTER))
    assert recipe["model"] == load(settings.model, settings.lora, 0.5).hash != model.hash
