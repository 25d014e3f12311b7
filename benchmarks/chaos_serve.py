"""Are jobs lost, or done twice, when workers and server die at random moments?

    python benchmarks/chaos_serve.py --jobs 100 --kills 100 --seeds 0 1 2
    python benchmarks/chaos_serve.py --jobs 20 --kills 20 --seeds 0 --stub --sabotage token

One process answers HTTP, two dream, with the code of `patchworld serve`; they are forked from one that has loaded the
model, since a kill while PyTorch is imported proves nothing. A client asks for videos, again with the same
Idempotency-Key when no answer comes, and every third one twice, and fetches each as soon as it is completed, and once
more at the end. Meanwhile, whenever something is being made, one of the three is killed by SIGKILL and started again;
or a worker is stopped for longer than its lease, and then goes on with a job that is no longer its own.

Every accepted job has to be completed, once, with the same bytes from then on, files that play, and no file without a
job. A saboteur takes one of the safeguards away: then these numbers have to show it. With --stub workers wait a moment
instead of dreaming, and write copies of one video; all else is the same.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, publish

from patchworld.model import load
from patchworld.serve import worker
from patchworld.serve.api import make_app
from patchworld.serve.connection import HTTP
from patchworld.serve.queue import Queue
from patchworld.serve.settings import Limits, Settings
from patchworld.serve.store import MASTER, VARIANTS, Store
from patchworld.serve.worker import open_queue, work
from patchworld.video import Clip, read

LEASE = 2.0  # seconds
SLEEP = 2 * LEASE  # of a worker that is stopped
SERVER = 0.15  # share of harm: the server is killed; else a worker is stopped or killed
MODEL = load() if __name__ == "chaos_serve" else None  # in the process that all others are forked from
SUFFIXES = (MASTER, *(suffix for suffix, _ in VARIANTS.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.5, help="most seconds between work and harm; default 0.5")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--stops", type=float, default=0.1, help="share of harm that only stops a worker; default 0.1")
    parser.add_argument("--limit", type=float, default=3600, help="seconds; default 3600")
    parser.add_argument("--queue", help="postgresql://…: its table of jobs is dropped; default SQLite")
    parser.add_argument("--sabotage", choices=SABOTEURS)
    parser.add_argument("--stub", action="store_true", help="workers that do not dream")
    parser.add_argument("--batch", type=int, default=16, help="tokens at once; a job has 8; default 16")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    here = str(Path(__file__).parent)  # Python before 3.12.8 does not tell the process that forks where modules are
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    multiprocessing.set_forkserver_preload(["chaos_serve"])
    rows = []
    for seed in options.seeds:
        rows.append(run(seed, options))
        print(rows[-1], file=sys.stderr, flush=True)
    lines = [
        "| " + " | ".join(["queue", "without", *rows[0]]) + " |",
        "|" + "---|" * (len(rows[0]) + 2),
        *(
            f"| {'PostgreSQL' if options.queue else 'SQLite'} | {options.sabotage or 'nothing'} | "
            + " | ".join(map(str, row.values()))
            + " |"
            for row in rows
        ),
    ]
    publish("\n".join(["# Jobs under SIGKILL", "", machine(), "", *lines]), options.out)


def run(seed: int, options: argparse.Namespace) -> dict[str, object]:
    jobs, kills, address = options.jobs, options.kills, options.queue
    chance, started = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(
            folder=Path(name),
            queue=address,
            lease=LEASE,
            attempts=1000,
            batch=options.batch,
            limits=Limits(waiting=10_000),
        )
        if address:
            queue = open_queue(settings)
            with queue.database.transaction() as sql:
                sql("DROP TABLE jobs")
            queue.close()
        queue, store = open_queue(settings), Store(settings.folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start = multiprocessing.get_context("forkserver").Process

        def begin(place: int) -> Any:
            target, given = (answer, (settings, port)) if place == 0 else (dream, (settings,))
            process = start(target=begun, args=(options.sabotage, options.stub, target, *given), daemon=True)
            process.start()
            return process

        processes = [begin(place) for place in range(3)]
        client = Client(f"http://127.0.0.1:{port}/v1/videos", jobs)
        asking = threading.Thread(target=client.ask_all, daemon=True)
        asking.start()
        asleep = {1: 0.0, 2: 0.0}  # until when; who is killed in their sleep does not come back late
        harm = {"kills of workers": 0, "of the server": 0, "workers stopped": 0}
        deadline = started + options.limit
        while time.monotonic() < deadline and (asking.is_alive() or sum(harm.values()) < kills):
            if sum(harm.values()) >= kills:
                asking.join(1)
                continue
            if not at_work(queue):
                if not asking.is_alive():
                    break  # nothing is left to be harmed
                time.sleep(0.02)
                continue
            time.sleep(chance.uniform(0, options.pause))
            kind, now = chance.random(), time.monotonic()
            awake = [place for place, until in asleep.items() if until < now]
            place = 0 if kind < SERVER else chance.choice(awake)
            if SERVER <= kind < SERVER + options.stops and len(awake) == 2:
                os.kill(processes[place].pid, signal.SIGSTOP)
                threading.Timer(SLEEP, go_on, [processes[place].pid]).start()
                asleep[place] = now + SLEEP + 1  # and a second to do harm
                harm["workers stopped"] += 1
                continue
            processes[place].kill()
            processes[place].join()
            processes[place] = begin(place)
            harm["kills of workers" if place else "of the server"] += 1
        asking.join(max(0.0, deadline - time.monotonic()))
        time.sleep(2 * LEASE)  # for those who were stopped
        client.fetch_again()
        for process in processes:
            process.kill()
            process.join()
        store.sweep(queue, grace=0)
        found = [queue.find(id) for id in client.accepted]
        completed = [job for job in found if job and job.status == "completed"]
        playable = sum(plays(store.file(job, ".mp4")) and plays(store.file(job, MASTER)) for job in completed)
        expected = {f"{job.token}{suffix}" for job in completed for suffix in SUFFIXES}
        there = {path.name for path in (settings.folder / "videos").rglob("*") if path.is_file()}
        result = {
            "seed": seed,
            "accepted": len(client.accepted),
            **harm,
            "completed": len(completed),
            "jobs in the queue": sum(queue.counts().values()),
            "playable": playable,
            "changed or gone after completion": len(client.changed),
            "files too many": len(there - expected),
            "most attempts": max((job.attempts for job in found if job), default=0),
            "integrity": integrity(queue),
            "seconds": round(time.monotonic() - started),
        }
        queue.close()
        return result


def answer(settings: Settings, port: int) -> None:
    import uvicorn

    queue, store = open_queue(settings), Store(settings.folder)
    threading.Thread(target=sweep, args=(queue, store), daemon=True).start()
    uvicorn.run(make_app(settings, queue, store), port=port, **HTTP)


def sweep(queue: Queue, store: Store) -> None:
    while True:
        with suppress(Exception):
            store.sweep(queue)
        time.sleep(1)


def dream(settings: Settings) -> None:
    import chaos_serve

    work(chaos_serve.MODEL, settings, threading.Event())


def begun(sabotage: str | None, stub: bool, target: Any, *given: Any) -> None:
    """What each process does."""
    if stub:
        worker.make = make_quickly
    if sabotage:
        SABOTEURS[sabotage]()
    target(*given)


def make_quickly(batch: Any, store: Store, job: Any, heart: Any, *_: Any) -> None:
    """As worker.make. Each attempt has files of its own: its token is written behind the end of what is read."""
    for part in range(5):
        heart.progress = 20 * part
        heart.check()
        time.sleep(0.04)
    black = Clip(np.zeros((5, 32, 32, 3), np.uint8), 8.0)
    for suffix in SUFFIXES:
        part = store.file(job, f".part{suffix}")
        Clip(black.frames[: 1 if suffix.endswith("webp") else 5], 8.0).save(part)
        with open(part, "ab") as file:
            file.write(str(job.token).encode())
        part.rename(store.file(job, suffix))


def no_token() -> None:
    """Whoever has made a job completes it, though the lease is somebody else's by now."""

    def finish(self: Queue, job: Any, status: str, also: str, **why: str) -> bool:
        with self.database.transaction() as sql:
            sql(
                "UPDATE jobs SET status = :status, token = :token, finished = :now WHERE id = :id",
                status=status,
                token=job.token,
                now=time.time(),
                id=job.id,
            )
        return True

    Queue._finish = finish  # type: ignore[method-assign,assignment]
    Queue.beat = lambda *_: "go on"  # type: ignore[method-assign,assignment]


def no_key() -> None:
    """A request that is sent again makes another job."""
    plain = Queue.submit
    Queue.submit = lambda self, *a, **b: plain(self, *a, **{**b, "idempotency_key": None})  # type: ignore[method-assign]


def no_lease() -> None:
    """Nobody takes the job of a worker that is dead."""
    from patchworld.serve import queue

    queue.NEXT = queue.NEXT.replace("waiting.lease < :now", "waiting.lease < 0")


SABOTEURS = {"token": no_token, "key": no_key, "lease": no_lease}


class Client:
    """Asks for videos and believes nothing. changed: ids that were completed and then were not, or not the same."""

    def __init__(self, url: str, jobs: int) -> None:
        self.url, self.jobs = url, jobs
        self.accepted: list[str] = []
        self.digests: dict[str, str] = {}
        self.changed: set[str] = set()

    def ask_all(self) -> None:
        waiting: list[str] = []
        for number in range(self.jobs):
            if number % 3 == 0:  # as if the answer had not come
                self.insist("", number)
            waiting.append(self.insist("", number)["id"])
            self.accepted.append(waiting[-1])
            waiting = [id for id in waiting if not self.fetched(id)]
        while waiting:
            waiting = [id for id in waiting if not self.fetched(id)]
            time.sleep(0.2)

    def fetched(self, id: str) -> bool:
        """Whether it is completed; then its bytes are fetched."""
        video = self.insist(f"/{id}")
        if video["status"] != "completed":
            return bool(video["status"] == "failed")
        content = self.insist(f"/{id}/content")
        self.digests[id] = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else "none"
        if self.digests[id] == "none":
            self.changed.add(id)
        return True

    def fetch_again(self) -> None:
        for id, digest in list(self.digests.items()):
            content = self.insist(f"/{id}/content")
            if not isinstance(content, bytes) or hashlib.sha256(content).hexdigest() != digest:
                self.changed.add(id)

    def insist(self, path: str, number: int | None = None) -> Any:
        """The answer, whenever it comes: JSON or bytes; {"status": None} for a video that is not known."""
        body = {"prompt": "a red ball", "seconds": 0.625, "size": "32x32", "steps": 2, "seed": number}
        data = None if number is None else json.dumps(body).encode()
        while True:
            sent = {"Content-Type": "application/json", "Idempotency-Key": f"job {number}"}
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url + path, data, sent), timeout=10) as found:
                    content = found.read()
                    return json.loads(content) if "json" in found.headers["content-type"] else content
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 404:
                        return {"status": None}
            except (OSError, ValueError, HTTPException):
                pass
            time.sleep(0.1)


def at_work(queue: Queue) -> bool:
    """Whether a worker that is alive makes something: its last beat is less than a second old."""
    with queue.database.transaction(write=False) as sql:
        fresh = "SELECT id FROM jobs WHERE status = 'in_progress' AND lease > :since LIMIT 1"
        return bool(sql(fresh, since=queue.database.now(sql) + LEASE - 1))


def go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def plays(path: Path) -> bool:
    try:
        return read(path).num_frames == 5
    except (OSError, ValueError):
        return False


def integrity(queue: Queue) -> str:
    with queue.database.transaction(write=False) as sql:
        try:
            return str(next(iter(dict(sql("PRAGMA integrity_check")[0]).values())))
        except Exception:
            return "not asked"


if __name__ == "__main__":
    main()
