"""The whole server as a user starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from patchworld.model import save
from patchworld.serve.queue import Queue


@pytest.mark.skipif(not Path("/proc").exists(), reason="no /proc to see that no worker is left")
def test_sigterm_puts_the_running_job_back_and_leaves_no_worker(tiny_model, tmp_path):
    save(tiny_model, tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "patchworld", "serve", "--folder", tmp_path / "served", "--port", str(port)]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen([*command, "--model", tmp_path / "model"], stderr=log)
    try:
        body = json.dumps({"prompt": "a red ball", "seconds": 60, "size": "96x96", "steps": 64}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/videos",
            body,
            {"Content-Type": "application/json", "Authorization": "Bearer hush"},
        )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(request) as answer:
                    id = json.load(answer)["id"]
                break
            except OSError:
                time.sleep(0.2)
        queue = Queue(tmp_path / "served" / "jobs.db")
        while queue.find(id).status != "in_progress" and time.monotonic() < deadline:
            time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    job = queue.find(id)
    assert (job.status, job.attempts) == ("queued", 0)
    mine = [path for path in Path("/proc").glob("[0-9]*/cwd") if _belongs(path.parent, str(tmp_path))]
    assert mine == []
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any(line.get("path") == "/v1/videos" and line["status"] == 200 for line in lines)
    assert "hush" not in (tmp_path / "log").read_text()


def _belongs(process, folder):
    """Whether a worker has a file of the folder open."""
    try:
        if b"patchworld.serve.worker" not in (process / "cmdline").read_bytes():
            return False
        return any(os.readlink(link).startswith(folder) for link in (process / "fd").iterdir())
    except OSError:
        return False
