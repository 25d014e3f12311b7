"""Are jobs lost, or done twice, when workers and server are killed at random moments?

    python benchmarks/chaos_serve.py --jobs 100 --kills 100 --seeds 3

A server with two workers, as `patchworld serve` starts them, is asked for videos over HTTP, again with the same
Idempotency-Key when the answer does not come. Meanwhile one of the three processes is killed by SIGKILL, over and over.
At the end every job that was accepted has to be known and completed, by the token of its files, each file has to play,
and the sweep has to leave no file without a job.
"""

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

from measure import machine, publish

from patchworld.serve.queue import Queue
from patchworld.serve.store import MASTER, VARIANTS, Store
from patchworld.video import read

LEASE = 3.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="folder of a model; default: the shipped one")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [run(seed, options.jobs, options.kills, options.model) for seed in range(options.seeds)]
    lines = [
        "| seed | jobs accepted | kills of workers | of the server | completed | once each | playable | "
        "most attempts | files without a job | integrity | seconds |",
        "|" + "---|" * 11,
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]
    publish("\n".join(["# Jobs under SIGKILL", "", machine(), "", *lines]), options.out)


def run(seed: int, jobs: int, kills: int, model: Path | None) -> tuple[object, ...]:
    chance, started = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        folder = Path(name) / "served"
        command = [sys.executable, "-c", SERVER.format(lease=LEASE), str(folder), str(port), str(model or "")]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        accepted: list[str] = []
        asking = threading.Thread(target=ask, args=(port, jobs, accepted))
        asking.start()
        killed = {"worker": 0, "server": 0}
        deadline = time.monotonic() + 3600
        while time.monotonic() < deadline:
            time.sleep(0.1)
            done = sum(killed.values()) >= kills
            left = counts(folder)["queued"] + counts(folder)["in_progress"]
            if done and not asking.is_alive() and not left:
                break
            if done:
                continue
            # A kill while PyTorch is imported proves nothing: first a job is at work, then comes a random moment of it.
            workers = children(server.pid)
            if not (workers and at_work(folder)):
                continue
            time.sleep(chance.uniform(0, 0.5))
            if chance.random() < 0.15:
                server.kill()
                server.wait()
                killed["server"] += 1
                server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            else:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                killed["worker"] += 1
        asking.join()
        server.terminate()
        server.wait()
        queue, store = Queue(folder / "jobs.db"), Store(folder)
        store.sweep(queue, grace=0)
        found = [queue.find(id) for id in accepted]
        completed = [job for job in found if job and job.status == "completed"]
        files = [store.file(job, suffix) for job in completed for suffix in (".mp4", MASTER)]
        playable = sum(read(path).num_frames == 5 for path in files) // 2
        suffixes = (MASTER, *(suffix for suffix, _ in VARIANTS.values()))
        expected = {f"{job.token}{suffix}" for job in completed for suffix in suffixes}
        stray = sum(path.is_file() and path.name not in expected for path in (folder / "videos").rglob("*"))
        ids = sqlite3.connect(folder / "jobs.db").execute("SELECT COUNT(*) FROM jobs").fetchone()[0]
        once = "yes" if ids == len(set(accepted)) == jobs else f"no: {ids} rows"
        integrity = sqlite3.connect(folder / "jobs.db").execute("PRAGMA integrity_check").fetchone()[0]
        most = max((job.attempts for job in found if job), default=0)
        took = round(time.monotonic() - started)
        return seed, len(accepted), *killed.values(), len(completed), once, playable, most, stray, integrity, took


SERVER = """
import sys
from pathlib import Path
from patchworld.serve.server import run
from patchworld.serve.settings import Limits, Settings
folder, port, model = sys.argv[1:]
run(Settings(folder=Path(folder), model=Path(model) if model else None, lease={lease}, attempts=1000,
    limits=Limits(waiting=10_000)), port=int(port), workers=2)
"""


def ask(port: int, jobs: int, accepted: list[str]) -> None:
    """Ask for each video until it is accepted."""
    body = {"prompt": "a red ball", "seconds": 0.625, "size": "32x32", "steps": 2}
    for number in range(jobs):
        while True:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/videos",
                json.dumps(body).encode(),
                {"Content-Type": "application/json", "Idempotency-Key": f"job {number}"},
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    accepted.append(json.load(answer)["id"])
                break
            except (OSError, ValueError, urllib.error.URLError):
                time.sleep(0.2)


def counts(folder: Path) -> dict[str, int]:
    folder.mkdir(exist_ok=True)
    return Queue(folder / "jobs.db").counts()


def at_work(folder: Path) -> bool:
    """Whether a worker that is alive makes something: its last beat is less than a second old."""
    with closing(sqlite3.connect(folder / "jobs.db", timeout=60)) as database:
        fresh = "SELECT 1 FROM jobs WHERE status = 'in_progress' AND lease > ? LIMIT 1"
        return database.execute(fresh, (time.time() + LEASE - 1,)).fetchone() is not None


def children(pid: int) -> list[int]:
    """The worker processes of a server."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"patchworld.serve.worker" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except (OSError, ValueError):
            continue
    return found


if __name__ == "__main__":
    main()
