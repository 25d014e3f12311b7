"""What do clients reach who mean harm, or whose connections break?

    python benchmarks/hostile_clients.py

A server with two keys and one worker is asked what it should refuse. A row of the table is a kind of attack: how many
requests, which answers, and what has to hold. The server's health is asked all the while.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from measure import machine, publish

import patchworld
from patchworld.serve.api import make_app
from patchworld.serve.connection import HTTP
from patchworld.serve.queue import Queue
from patchworld.serve.settings import Settings
from patchworld.serve.store import Store
from patchworld.serve.worker import open_queue, work
from patchworld.video import Clip

ANN, BOB = "ann-has-a-long-key", "bob-has-another-key"
ASKED = {"prompt": "a red ball", "seconds": 0.5, "size": "32x32", "steps": 1}
NAMES = [
    *("..", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/jobs.db", "/etc/passwd", "//etc/passwd"),
    *("C:\\windows\\win.ini", "\\\\host\\share", "CON", "NUL", "aux.txt", "video_" + "0" * 31 + "/", "%00", "a%00b"),
    *("x" * 300, "\u202egnp.exe", "jobs.db", ".asked-1", "*", "$(id)", "`id`", ";id", "|id", "%0d%0aX: y", "~root"),
    *(
        ".",
        "...",
        "....//....//etc/passwd",
        "..\\..\\windows",
        "..;/jobs.db",
        "%252e%252e%252fjobs.db",
        "%c0%ae%c0%ae/x",
    ),
    *(
        "..%c0%af..%c0%afetc",
        "%u002e%u002e/x",
        "\uff0e\uff0e/x",
        "file:///etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
    ),
    *(
        "COM1",
        "LPT1.mp4",
        "PRN ",
        "con.webp",
        "a:b",
        "a" * 5000,
        "-rf",
        "--help",
        "video_" + "g" * 32,
        "video_" + "0" * 33,
    ),
    *(
        "VIDEO_" + "0" * 32,
        "video_" + "0" * 32 + "%00.mp4",
        "char_" + "0" * 32 + "/..",
        "\u2028",
        "\ud7ff",
        "%ff%fe",
        "a\tb",
    ),
    *("{{7*7}}", "${HOME}", "%s%n", "' OR 1=1 --", '";--', "<script>", "input-1.mkv"),
]
URLS = [
    *("http://127.0.0.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://[::1]:{port}/"),
    *("http://[::ffff:127.0.0.1]:{port}/", "http://localhost:{port}/", "http://127.1:{port}/", "//127.0.0.1:{port}/"),
    *(
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "ftp://127.0.0.1/",
    ),
    *("data:text/html;base64,PGI+", "data:image/png,not-base64", "data:image/png;base64,####", "javascript:alert(1)"),
    *(
        "http://user@127.0.0.1:{port}/",
        "HTTP://127.0.0.1:{port}/",
        " http://127.0.0.1:{port}/",
        "http:/127.0.0.1:{port}/",
    ),
    *("http://0:{port}/", "http://0.0.0.0:{port}/", "http://0177.0.0.1:{port}/", "http://127.0.0.1.nip.io:{port}/"),
    *("http://[::]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[fe80::1]/", "http://[::127.0.0.1]:{port}/"),
    *("http://localtest.me:{port}/", "https://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/", "dict://127.0.0.1:{port}/"),
    *("http://metadata.google.internal/", "jar:http://127.0.0.1:{port}/!/", "http://127.0.0.1:{port}@example.com/"),
    *(
        "http://example.com@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#.png",
        "http://１２７.0.0.1:{port}/",
        "blob:http://x/",
    ),
    "data:image/svg+xml;base64,PHN2Zz48aW1hZ2UgaHJlZj0iaHR0cDovLzEyNy4wLjAuMToxLyIvPjwvc3ZnPg==",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "served"
        at, server = serve(folder, "--pixels", str(32 * 32), "--upload", str(2**20), "--waiting", "50")
        leaving, settings = threading.Event(), Settings(folder=folder)
        worker = threading.Thread(target=work, args=(patchworld.load(), settings, leaving))
        worker.start()
        made = at.finished()
        leaving.set()
        worker.join()
        before = most_memory(server)
        health = threading.Thread(target=at.watch_health, daemon=True)
        health.start()
        for what, attack in (
            ("200 clients with one key, 30 % hang up", at.same_key),
            ("sizes, numbers and JSON out of all bounds", at.out_of_bounds),
            ("10,000 form parts, 1 GB announced, 3 MB in pieces, gzip", at.too_much),
            ("500 MB in one form, announced and in pieces", at.large),
            ("5,000 ranges of one file", partial(at.ranges, made)),
            ("paths instead of ids, and as names of files", partial(at.paths, folder)),
            ("addresses instead of images", at.addresses),
            ("somebody else's videos, and no key", partial(at.others, made)),
            ("100 connections that say nothing, half a header or half a body", at.slow),
        ):
            rows.append((what, *attack()))
            print(*rows[-1], sep=" | ", flush=True)
        at.over.set()
        health.join()
        grown = most_memory(server) - before
        server.terminate()
        server.wait()
    rows.append(("500 MB that are accepted, while videos are made", *accepted()))
    print(*rows[-1], sep=" | ", flush=True)
    rows.append(("disk full while serving", *disk_full()))
    lines = ["| what | answers | what held |", "|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)]
    slowest = f"During all but the last two: {at.told_health()}; memory of the server grew by {grown:.0f} MB."
    publish("\n".join(["# Hostile clients", "", machine(), "", *lines, "", slowest]), options.out)


def serve(folder: Path, *options: str) -> tuple["Attacker", subprocess.Popen[bytes]]:
    """A server in a process of its own, so that its clients cannot be what slows it, without workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = folder.with_name("keys.json")
    keys.write_text(json.dumps({"ann": {"key": ANN}, "bob": {"key": BOB}}))
    command = [sys.executable, "-m", "patchworld", "serve", "--folder", folder, "--port", str(port), "--keys", keys]
    server = subprocess.Popen([*command, "--workers", "0", *options], stderr=subprocess.DEVNULL)
    at = None
    while at is None or at.ask("GET", "/healthz", key=None)[0] != 200:
        time.sleep(0.1)
        if (folder / "jobs.db").exists():
            at = at or Attacker(port, open_queue(Settings(folder=folder)), Store(folder))
    return at, server


def most_memory(process: subprocess.Popen[bytes]) -> float:
    """MB that a process has had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def accepted() -> tuple[str, str]:
    """A film of 500 MB, most of it padding, is taken in while a worker makes videos."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "served"
        at, server = serve(folder, "--upload", str(600 * 2**20), "--workers", "1")
        for _ in range(40):
            at.ask("POST", "/v1/videos", {**ASKED, "size": "128x128", "seconds": 2, "steps": 16})
        while not at.queue.counts()["completed"]:
            time.sleep(0.1)
        before = most_memory(server)
        health = threading.Thread(target=at.watch_health, daemon=True)
        health.start()
        film = Clip(np.zeros((9, 64, 64, 3), np.uint8), 8).save(Path(name) / "film.mp4").read_bytes()
        head = b'--x\r\nContent-Disposition: form-data; name="video"; filename="film.mp4"\r\n\r\n' + film
        pieces, piece = 500, bytes(2**20)
        padding = struct.pack(">I4s", 8 + pieces * len(piece), b"free")  # a box that says nothing
        tail = b"\r\n--x--\r\n"
        length = len(head) + len(padding) + pieces * len(piece) + len(tail)
        with socket.create_connection(("127.0.0.1", at.port), 300) as wire:
            said = f"POST /v1/videos/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ANN}\r\n"
            said += f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
            started = time.monotonic()
            wire.sendall(said.encode() + head + padding)
            for _ in range(pieces):
                wire.sendall(piece)
            wire.sendall(tail)
            answer = wire.recv(2**16)
            took = time.monotonic() - started
        at.over.set()
        health.join()
        made, grown = at.queue.counts()["completed"], most_memory(server) - before
        server.terminate()
        server.wait()
    held = f"taken in {took:.1f} s, {made} videos were made; {at.told_health()}; memory grew by {grown:.0f} MB"
    return answer.split()[1].decode(), held


class Attacker:
    def __init__(self, port: int, queue: Queue, store: Store) -> None:
        self.port, self.queue, self.store = port, queue, store
        self.health: list[float] = []
        self.over = threading.Event()

    def ask(self, method: str, path: str, body: Any = None, key: str | None = ANN, **headers: str) -> tuple[int, bytes]:
        """Status and answer; 0 is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            return 0, b""
        finally:
            connection.close()

    def watch_health(self) -> None:
        while not self.over.is_set():
            started = time.monotonic()
            self.ask("GET", "/healthz", key=None)
            self.health.append(time.monotonic() - started)
            time.sleep(0.02)

    def told_health(self) -> str:
        ranked = sorted(self.health)
        median, late, worst = (1000 * ranked[int(share * (len(ranked) - 1))] for share in (0.5, 0.99, 1))
        told = f"/healthz, {len(ranked)} answers: half within {median:.0f} ms"
        return f"{told}, 99 % within {late:.0f}, all within {worst:.0f}"

    def finished(self) -> str:
        """The id of a video of Ann's that is completed."""
        id = str(json.loads(self.ask("POST", "/v1/videos", ASKED)[1])["id"])
        while (job := self.queue.find(id)) is None or job.finished is None:
            time.sleep(0.05)
        assert job.status == "completed"
        return id

    def same_key(self) -> tuple[str, str]:
        before = sum(self.queue.counts().values())

        def once(number: int) -> int:
            if number % 10 >= 3:
                return self.ask("POST", "/v1/videos", ASKED, Idempotency_Key="the same")[0]
            body = json.dumps(ASKED).encode()
            with socket.create_connection(("127.0.0.1", self.port), 30) as wire:
                head = f"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {ANN}\r\n"
                head += "Idempotency-Key: the same\r\nContent-Type: application/json\r\n"
                head += f"Content-Length: {len(body)}\r\n\r\n"
                wire.sendall(head.encode() + body)
            return -1

        with ThreadPoolExecutor(50) as pool:
            found = Counter(pool.map(once, range(200)))
        time.sleep(1)
        new = sum(self.queue.counts().values()) - before
        other = self.ask("POST", "/v1/videos", {**ASKED, "seed": 9}, Idempotency_Key="the same")[0]
        return told(found), f"{new} new job; another body with the key: {other}"

    def out_of_bounds(self) -> tuple[str, str]:
        deep = b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        wrong: list[Any] = [
            *({**ASKED, "steps": value} for value in (0, -1, 10**9, 10**30, 1.5, "8" * 400, True, None, [])),
            *({**ASKED, "seconds": value} for value in (0, -1, 10**9, "1e9", "NaN", [])),
            *({**ASKED, "size": value} for value in ("0x0", "99999x99999", "-1x5", "axb", "1280", "1x1", 5)),
            *({**ASKED, "seed": value} for value in (-1, 2**63, 10**40, 0.5, "x")),
            *({**ASKED, "guidance": value} for value in (-1, 101, 1e300)),
            *({**ASKED, "prompt": value} for value in ("", "x" * 40_000, "a\0b", 5, None, {})),
            *({**ASKED, name: 1} for name in ("fps", "model_path", "__proto__", "frames")),
            *(
                b'{"prompt": "a", "guidance": NaN}',
                b'{"prompt": "a", "seconds": Infinity}',
                deep,
                b"\xff\xfe",
                b"{",
                b"[]",
            ),
        ]
        found = Counter(self.ask("POST", "/v1/videos", body)[0] for body in wrong)
        return told(found), f"{found[200]} accepted (steps null is the default)"

    def too_much(self) -> tuple[str, str]:
        parts = "".join(f'--x\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\n1\r\n' for n in range(10_000))
        form = {"Content_Type": "multipart/form-data; boundary=x"}
        found = [self.ask("POST", "/v1/videos", (parts + "--x--\r\n").encode(), **form)[0]]
        found.append(self.ask("POST", "/v1/videos", b"{}", Content_Length=str(2**30))[0])
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                "POST",
                "/v1/videos",
                iter([b" " * 2**16] * 48),
                {"Authorization": f"Bearer {ANN}", "Content-Type": "application/json"},
                encode_chunked=True,
            )
            found.append(connection.getresponse().status)
        except (OSError, HTTPException):
            found.append(0)
        connection.close()
        found.append(self.ask("POST", "/v1/videos", gzip.compress(b" " * 10**6) * 100, Content_Encoding="gzip")[0])
        return told(Counter(found)), "nothing accepted" if 200 not in found else "accepted"

    def ranges(self, id: str) -> tuple[str, str]:
        wanted = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 10_000, 2))
        started = time.monotonic()
        status, _ = self.ask("GET", f"/v1/videos/{id}/content", Range=wanted)
        return f"{status}", f"{time.monotonic() - started:.2f} s"

    def paths(self, folder: Path) -> tuple[str, str]:
        before, found = tree(folder), Counter[int]()
        for name in NAMES:
            quoted = (
                name
                if "%" in name
                else "".join(c if c.isascii() and c.isalnum() else f"%{ord(c) % 256:02x}" for c in name)
            )
            for method, path in (("GET", f"/{quoted}"), ("GET", f"/{quoted}/content"), ("DELETE", f"/{quoted}")):
                found[self.ask(method, f"/v1/videos{path}")[0]] += 1
            found[self.ask("POST", "/v1/videos/extensions", {"video": {"id": name}, "seconds": 1})[0]] += 1
            clean = name.replace('"', "").replace("\r", "").replace("\n", "")
            part = (
                f'--x\r\nContent-Disposition: form-data; name="video"; filename="{clean}"\r\n\r\nno video\r\n--x--\r\n'
            )
            form = {"Content_Type": "multipart/form-data; boundary=x"}
            found[self.ask("POST", "/v1/videos/extensions?seconds=1", part.encode(), **form)[0]] += 1
        changed = tree(folder) != before
        return told(found), "the folder has changed" if changed else "no file made, read or changed"

    def addresses(self) -> tuple[str, str]:
        hits = 0
        with socket.create_server(("127.0.0.1", 0)) as canary:
            canary.settimeout(0.1)
            port, found = canary.getsockname()[1], Counter[int]()
            for url in URLS:
                body = {**ASKED, "input_reference": {"image_url": url.format(port=port)}}
                found[self.ask("POST", "/v1/videos", body)[0]] += 1
                try:
                    canary.accept()
                    hits += 1
                except TimeoutError:
                    pass
        return told(found), f"{hits} connections to the canary"

    def others(self, id: str) -> tuple[str, str]:
        ways: list[tuple[str, str, Any]] = [
            *(("GET", f"/{id}{path}", None) for path in ("", "/content", "/events", "/content?variant=thumbnail")),
            *(("POST", f"/{id}{path}", body) for path, body in (("/cancel", None), ("/remix", {"prompt": "x"}))),
            *(("POST", f"/{verb}", {"prompt": "x", "video": {"id": id}}) for verb in ("edits", "restyle", "loop")),
            ("DELETE", f"/{id}", None),
        ]
        bob = Counter(self.ask(method, f"/v1/videos{path}", body, BOB)[0] for method, path, body in ways)
        nobody = Counter(self.ask(method, f"/v1/videos{path}", body, None)[0] for method, path, body in ways)
        return f"Bob: {told(bob)}; nobody: {told(nobody)}", "Ann's video is there" if self.queue.find(
            id
        ) else "deleted!"

    def slow(self) -> tuple[str, str]:
        wires = [socket.create_connection(("127.0.0.1", self.port), 30) for _ in range(100)]
        head = b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for number, wire in enumerate(wires):
            body = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            wire.sendall((head, head + b"X-Half: ", head + body, b"")[number % 4])
        started, last, open_ = time.monotonic(), 0.0, set(wires)
        for wire in wires:
            wire.setblocking(False)
        while open_ and time.monotonic() - started < 15:
            for wire in list(open_):
                with suppress(BlockingIOError):
                    try:
                        ended = not wire.recv(4096)  # or what was answered before
                    except ConnectionResetError:
                        ended = True
                    if ended:
                        open_.remove(wire)
                        last = time.monotonic() - started
            time.sleep(0.1)
        status = self.ask("GET", "/v1/videos")[0]
        for wire in wires:
            wire.close()
        return f"{status} to others", f"{100 - len(open_)} of 100 were closed, the last after {last:.1f} s"

    def large(self) -> tuple[str, str]:
        """A form with a file of 500 MB, which is more than may be, in pieces; and twice, with its length announced."""
        boundary = b'--x\r\nContent-Disposition: form-data; name="video"; filename="v"\r\n\r\n'
        found = Counter[int]()
        for announced in (False, True):
            wire = socket.create_connection(("127.0.0.1", self.port), 60)
            head = f"POST /v1/videos/extensions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ANN}\r\n"
            head += "Content-Type: multipart/form-data; boundary=x\r\n"
            head += f"Content-Length: {500 * 2**20}\r\n\r\n" if announced else "Transfer-Encoding: chunked\r\n\r\n"
            wire.sendall(head.encode())
            piece = boundary + bytes(2**20 - len(boundary))
            with suppress(OSError):
                for _ in range(500):
                    wire.sendall(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
                    piece = bytes(2**20)
            answer = b""
            with suppress(OSError):
                answer = wire.recv(100)
            wire.close()
            found[int(answer.split()[1]) if answer else 0] += 1
        return told(found), "nothing accepted" if 200 not in found else "accepted"


def disk_full() -> tuple[str, str]:
    """A worker and its queue on a disk of 16 MB that is filled; only as root, who may make one."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder]).returncode:
        return "", "not run: it takes the right to mount a disk"
    try:
        settings = Settings(folder=folder / "served")
        queue, store = open_queue(settings), Store(settings.folder)
        server = uvicorn.Server(uvicorn.Config(make_app(settings, queue, store), port=0, **HTTP))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        at, leaving = Attacker(server.servers[0].sockets[0].getsockname()[1], queue, store), threading.Event()
        model = patchworld.load()

        def dream_all() -> None:
            stop = threading.Event()
            worker = threading.Thread(target=work, args=(model, settings, stop))
            worker.start()
            while queue.counts()["queued"] + queue.counts()["in_progress"]:
                time.sleep(0.05)
            stop.set()
            worker.join()

        worker = threading.Thread(target=work, args=(model, settings, leaving))
        worker.start()
        first = at.finished()
        leaving.set()
        worker.join()
        waiting = json.loads(at.ask("POST", "/v1/videos", ASKED)[1])["id"]
        room = shutil.disk_usage(folder).free - 32_768
        (folder / "filler").write_bytes(secrets.token_bytes(room))
        dream_all()
        code = getattr(queue.find(waiting), "error_code", None)
        with open(folder / "filler", "ab") as filler, suppress(OSError):
            filler.write(bytes(32_768))
        refused = at.ask("POST", "/v1/videos", ASKED)[0]
        content = at.ask("GET", f"/v1/videos/{first}/content")[0]
        (folder / "filler").unlink()
        again = json.loads(at.ask("POST", "/v1/videos", ASKED)[1])["id"]
        dream_all()
        job = queue.find(again)
        server.should_exit = True
        held = f"the job: {code}; with space again: {job.status if job else None}"
        return f"a new job: {refused}; an earlier video: {content}", held
    finally:
        subprocess.run(["umount", "-l", folder])


def told(found: Counter[int]) -> str:
    names = {-1: "hung up", 0: "closed"}
    return ", ".join(f"{count} x {names.get(status, status)}" for status, count in sorted(found.items()))


def tree(folder: Path) -> str:
    names = sorted(str(path) for path in (folder / "videos").rglob("*"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


if __name__ == "__main__":
    main()
