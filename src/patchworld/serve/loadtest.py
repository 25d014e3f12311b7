"""What a running server bears: clients that ask for videos, wait for them and fetch them, and others that only look.

Each is a thread with a connection of its own, as browsers and programs have. Nothing here needs the libraries of the
server.
"""

import json
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from patchworld.errors import InputError, RunError

VIDEOS = "/v1/videos"
TIMEOUT = 60.0  # seconds
HEALTH_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Load:
    """What is done to a server.

    url: where it is. key: that of an owner, if it asks for one. body: of each request for a video.
    clients: who ask for a video, wait for it, fetch it and begin again. pollers: who ask how far a video is, `every`
    so many seconds. seconds: for how long.
    """

    url: str
    body: dict[str, Any]
    key: str = ""
    clients: int = 8
    pollers: int = 0
    every: float = 0.5
    seconds: float = 30.0


@dataclass
class Seen:
    """What became of the requests of one kind. refused: answers that tell to come back later. errors: of the server,
    or no answer."""

    times: list[float] = field(default_factory=list)  # seconds, of all that were answered
    refused: int = 0
    errors: int = 0

    def percentile(self, share: float) -> float:
        """The time below which this share of the requests stays; nan where there are none."""
        ranked = sorted(self.times)
        return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def run(load: Load) -> dict[str, Seen]:
    """Put a load on a server; what was seen, by kind of request. What was made is cancelled or deleted at the end.

    Raises RunError when there is no server, InputError when it refuses the key or the body.
    """
    try:
        with closing(_Connection(load)) as connection:
            status, answer, _ = connection.ask("POST", VIDEOS, load.body)
    except (OSError, HTTPException) as error:
        raise RunError(f"{load.url} does not answer ({error}): start it by patchworld serve") from error
    if status != 200:
        remedy = ": set OPENAI_API_KEY" if status == 401 else ""
        told = answer.get("error", {}).get("message", f"status {status}")
        raise InputError(f"{load.url} refuses what is asked ({told}){remedy}")
    first = answer["id"]
    test = _Test(load, first)
    roles: list[Callable[[_Client], None]] = [*[_make] * load.clients, *[_look] * load.pollers, _check_health]
    threads = [threading.Thread(target=test.play, args=(role,), daemon=True) for role in roles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _Client(test, first).clear()
    return test.seen


def table(seen: dict[str, Seen], seconds: float) -> str:
    """Markdown, times in milliseconds."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "slowest": 1.0}
    head = ["requests", "number", "a second", *shares, "refused", "errors"]
    rows: list[list[object]] = [
        [
            kind,
            len(one.times),
            f"{len(one.times) / seconds:.1f}",
            *(f"{1000 * one.percentile(share):.0f}" for share in shares.values()),
            one.refused,
            one.errors,
        ]
        for kind, one in seen.items()
    ]
    lines: list[list[object]] = [[*head], ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


class _Test:
    def __init__(self, load: Load, first: str) -> None:
        self.load, self.last = load, first
        self.deadline = time.monotonic() + load.seconds
        self.seen: dict[str, Seen] = defaultdict(Seen)
        self.lock = threading.Lock()

    def play(self, role: Callable[["_Client"], None]) -> None:
        client = _Client(self)
        role(client)
        client.clear()

    def note(self, kind: str, seconds: float, status: int) -> None:
        with self.lock:
            one = self.seen[kind]
            if status:
                one.times.append(seconds)
            one.refused += status == 429
            one.errors += status >= 500 or not status


class _Connection:
    """A connection that is kept, and opened again when it breaks."""

    def __init__(self, load: Load) -> None:
        place = urlsplit(load.url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise InputError(f"{load.url} is no address of a server: write http://127.0.0.1:8000")
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        self.headers = {"Authorization": f"Bearer {load.key}"} if load.key else {}
        self.connection = kind(place.hostname, place.port, timeout=TIMEOUT)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """Status, answer (JSON or bytes) and headers. Raises OSError, HTTPException."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        try:
            data = None if body is None else json.dumps(body)
            self.connection.request(method, path, data, {**self.headers, **sent})
            answer = self.connection.getresponse()
            content: Any = answer.read()
        except (OSError, HTTPException):
            self.close()
            raise
        if answer.headers.get_content_type() == "application/json":
            content = json.loads(content)
        return answer.status, content, answer.headers

    def close(self) -> None:
        self.connection.close()


class _Client:
    """Somebody who asks until the time is over."""

    def __init__(self, test: _Test, *mine: str) -> None:
        self.test, self.load, self.mine = test, test.load, list(mine)
        self.connection = _Connection(test.load)

    def goes_on(self) -> bool:
        return time.monotonic() < self.test.deadline

    def pause(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self.test.deadline - time.monotonic())))

    def ask(self, kind: str, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """As `_Connection.ask`, and noted; status 0 is no answer."""
        started = time.monotonic()
        try:
            answer = self.connection.ask(method, path, body)
        except (OSError, HTTPException):
            answer = 0, {}, {}
            self.pause(0.1)
        self.test.note(kind, time.monotonic() - started, answer[0])
        return answer

    def clear(self) -> None:
        """Leave nothing behind. What is still made is cancelled and ends at its next step."""
        for id in self.mine:
            for _ in range(20):
                try:
                    if self.connection.ask("DELETE", f"{VIDEOS}/{id}")[0] != 409:
                        break
                    self.connection.ask("POST", f"{VIDEOS}/{id}/cancel")
                except (OSError, HTTPException):
                    pass
                time.sleep(0.5)
        self.connection.close()


def _make(client: _Client) -> None:
    """Ask for a video, wait for it, fetch it, look at the list."""
    while client.goes_on():
        started = time.monotonic()
        status, video, headers = client.ask("create", "POST", VIDEOS, client.load.body)
        if status != 200:
            client.pause(float(headers.get("retry-after", 1)))
            continue
        id = client.test.last = video["id"]
        client.mine.append(id)
        while client.goes_on() and video.get("status") in ("queued", "in_progress"):
            client.pause(float(headers.get("openai-poll-after-ms", 500)) / 1000)
            status, answer, headers = client.ask("status", "GET", f"{VIDEOS}/{id}")
            video = answer if status == 200 else video
        if video["status"] in ("completed", "failed"):
            client.test.note(
                "a whole video", time.monotonic() - started, 200 if video["status"] == "completed" else 500
            )
            client.ask("content", "GET", f"{VIDEOS}/{id}/content")
            client.ask("list", "GET", f"{VIDEOS}?limit=20")


def _look(client: _Client) -> None:
    client.pause(random.uniform(0, client.load.every))  # or all would ask at the same moments
    while client.goes_on():
        client.ask("status", "GET", f"{VIDEOS}/{client.test.last}")
        client.pause(client.load.every)


def _check_health(client: _Client) -> None:
    while client.goes_on():
        client.ask("health", "GET", "/healthz")
        client.pause(HEALTH_EVERY)
