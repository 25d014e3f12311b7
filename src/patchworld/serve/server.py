"""All of it together: HTTP in this process, workers in others, and two threads that sweep and tell."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import uvicorn

from patchworld.errors import InputError
from patchworld.lora import read_lora
from patchworld.provenance import signing_key
from patchworld.serve.api import make_app
from patchworld.serve.connection import HTTP
from patchworld.serve.gate import LOCAL
from patchworld.serve.logs import log_to_stderr
from patchworld.serve.queue import Queue
from patchworld.serve.settings import Settings
from patchworld.serve.store import Store
from patchworld.serve.webhooks import sign, tell_next
from patchworld.serve.worker import open_queue

SWEEP_EVERY = 60.0  # seconds
RESTART_AFTER = 1.0  # seconds after the death of a worker; more when it dies again and again
GOODBYE = 20.0  # seconds that workers have to put their jobs back
TURN = 0.0005  # seconds that a thread computes while the event loop waits; Python's own 5 ms, times twenty, are felt

log = logging.getLogger(__name__)


class Workers:
    """So many worker processes, each started again when it dies."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.settings = settings.without_secrets()
        self.number = number
        self.processes: list[subprocess.Popen[bytes]] = []
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def _start(self) -> subprocess.Popen[bytes]:
        worker = subprocess.Popen([sys.executable, "-m", "patchworld.serve.worker"], stdin=subprocess.PIPE)
        assert worker.stdin is not None
        worker.stdin.write(self.settings.model_dump_json().encode() + b"\n")
        worker.stdin.flush()  # and left open: when this process is gone, however it went, it closes
        return worker

    def _keep(self) -> None:
        wait = RESTART_AFTER
        while not self._leaving.wait(0.2):
            for place, worker in enumerate(self.processes):
                if worker.poll() is not None and not self._leaving.wait(wait):
                    log.warning("a worker died with status %s: another one starts", worker.returncode)
                    self.processes[place] = self._start()
                    wait = min(30.0, wait * 1.5)

    def __enter__(self) -> "Workers":
        self.processes = [self._start() for _ in range(self.number)]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        for worker in self.processes:
            worker.terminate()
        deadline = time.monotonic() + GOODBYE
        for worker in self.processes:
            try:
                worker.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            assert worker.stdin is not None
            worker.stdin.close()


def run(settings: Settings, *, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until Ctrl-C or SIGTERM; unfinished jobs go back into the queue. Raises InputError for unsafe settings."""
    check(settings, host)
    signing_key()  # made at the first start, so that its place is known to be good
    queue, store = open_queue(settings), Store(settings.folder)
    log_to_stderr()
    sys.setswitchinterval(TURN)
    app = make_app(settings, queue, store, public=host not in LOCAL)
    leaving = threading.Event()
    chores: list[tuple[float, Callable[[], object]]] = [(SWEEP_EVERY, lambda: store.sweep(queue))]
    if settings.webhook:
        chores.append((1.0, lambda: _tell(settings, queue)))
    threads = [threading.Thread(target=_repeat, args=(leaving, *chore), daemon=True) for chore in chores]
    # uvicorn raises the signal again that ended it: it must not end this process before the workers have put their
    # jobs back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Workers(settings, workers):
        for thread in threads:
            thread.start()
        try:
            uvicorn.run(app, host=host, port=port, **HTTP)
        finally:
            leaving.set()


def check(settings: Settings, host: str) -> None:
    """Raise InputError for settings that would leave a door open."""
    if host not in LOCAL and not settings.keys:
        raise InputError(f"host={host} lets other machines in: give --keys FILE, or serve on 127.0.0.1")
    if hasattr(os, "geteuid") and os.geteuid() == 0 and host not in LOCAL:
        raise InputError(f"host={host} as root: serve as another user, or on 127.0.0.1")
    if settings.webhook:
        if not settings.webhook.startswith(("https://", "http://")):
            raise InputError(f"webhook={settings.webhook} is no address: give one that begins with https://")
        sign(settings.webhook_secret, "", 0, b"")
    if settings.lora:
        read_lora(settings.lora)
    if settings.moderation and shutil.which(settings.moderation[0]) is None:
        raise InputError(
            f"moderation={settings.moderation[0]} is no program: give a file that can be run, and its path"
        )


def _tell(settings: Settings, queue: Queue) -> None:
    while tell_next(queue, settings.webhook or "", settings.webhook_secret):
        pass


def _repeat(leaving: threading.Event, seconds: float, what: Callable[[], object]) -> None:
    while not leaving.is_set():
        try:
            what()
        except Exception:
            log.exception("it is tried again in %g s", seconds)
        leaving.wait(seconds)
