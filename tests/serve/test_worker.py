"""Workers as processes: killed, told to go, cancelled, and left by their server."""

import signal
import subprocess
import sys
import time

import pytest
from serving import settings_in

from patchworld.model import save
from patchworld.serve.store import MASTER, VARIANTS, Store
from patchworld.serve.worker import open_queue
from patchworld.video import read

LONG = {
    "verb": "generate",
    "arguments": {"prompt": "a red ball", "frames": 64, "size": [32, 32], "fps": 4.0},
    "negative": "",
    "sampling": {"seed": 3, "steps": 200, "guidance": 3.0},
}
SHORT = {**LONG, "arguments": {**LONG["arguments"], "frames": 4}, "sampling": {**LONG["sampling"], "steps": 1}}


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


def test_a_full_disk_fails_the_job_and_is_said(settings, tiny_model, monkeypatch):
    import threading

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
    worker.do(tiny_model, queue, store, queue.claim(), threading.Event(), settings)
    failed = queue.find(id)
    assert (failed.status, failed.error_code) == ("failed", "storage_full")
    assert str(settings.folder) not in failed.error_message
    monkeypatch.undo()
    again = submit(queue, store, SHORT)
    worker.do(tiny_model, queue, store, queue.claim(), threading.Event(), settings)
    assert queue.find(again).status == "completed"
