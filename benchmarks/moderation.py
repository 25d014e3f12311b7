"""Is a video that the operator's program flags ever served?

    python benchmarks/moderation.py --videos 100

A program knows the first frames of every second video by heart and blocks them. A server makes all of them, while
clients fetch whatever can be fetched of each from the moment it was asked for.
"""

import argparse
import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from measure import machine, publish

from patchworld import Sampling, load, verbs

PROGRAM = """
import hashlib, json, sys
asked = json.load(sys.stdin)
blocked = False
if asked["stage"] == "output":
    from patchworld.video import frames
    known = open(sys.argv[1]).read().split()
    blocked = hashlib.sha256(next(frames(asked["files"][0])).tobytes()).hexdigest() in known
print(json.dumps({"blocked": blocked}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = load()
        canvas = verbs.generate("a red ball", frames=4, size=(32, 32), fps=8.0)
        firsts = (next(iter(world.stream(canvas, Sampling(seed, 1)))) for seed in range(0, options.videos, 2))
        (folder / "known").write_text("\n".join(hashlib.sha256(frame.tobytes()).hexdigest() for frame in firsts))
        (folder / "program.py").write_text(PROGRAM)
        result = served(folder, options.videos)
    head = ["# Moderation", "", machine(), ""]
    publish("\n".join([*head, *result]), options.out)


def served(folder: Path, videos: int) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = f"{sys.executable} {folder / 'program.py'} {folder / 'known'}"
    command = ["serve", "--folder", folder / "served", "--port", str(port), "--moderation", program]
    server = subprocess.Popen([sys.executable, "-m", "patchworld", *command], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/v1/videos"
    ids: dict[int, str] = {}
    fetched: dict[str, int] = {}  # bytes, by video
    over = threading.Event()

    def fetch() -> None:
        while not over.is_set():
            for id in list(ids.values()):
                for path in ("content", "content?variant=thumbnail", "content?variant=spritesheet"):
                    try:
                        with urllib.request.urlopen(f"{url}/{id}/{path}", timeout=20) as answer:
                            fetched[id] = fetched.get(id, 0) + len(answer.read())
                    except OSError:
                        pass
            time.sleep(0.5)

    try:
        for seed in range(videos):
            body = {"prompt": "a red ball", "seconds": 0.5, "size": "32x32", "steps": 1, "seed": seed}
            ids[seed] = ask(url, body)["id"]
            if seed == 0:
                fetching = threading.Thread(target=fetch)
                fetching.start()
        while any(ask(f"{url}/{id}")["status"] in ("queued", "in_progress") for id in ids.values()):
            time.sleep(1)
        time.sleep(2)
        over.set()
        fetching.join()
        ends = {seed: ask(f"{url}/{id}") for seed, id in ids.items()}
    finally:
        over.set()
        server.terminate()
        server.wait()
    known = [seed for seed in ids if seed % 2 == 0]
    others = [seed for seed in ids if seed % 2]
    blocked = [seed for seed, end in ends.items() if (end["error"] or {}).get("code") == "moderation_blocked"]
    left = [path for seed in known for path in (folder / "served" / "videos" / ids[seed]).iterdir()]
    return [
        "| videos | number | blocked | completed | fetched by clients, bytes | files left |",
        "|---|---|---|---|---|---|",
        *(
            f"| {what} | {len(seeds)} | {len(set(seeds) & set(blocked))} | "
            f"{sum(ends[seed]['status'] == 'completed' for seed in seeds)} | "
            f"{sum(fetched.get(ids[seed], 0) for seed in seeds):,} | {files} |"
            for what, seeds, files in (("that the program knows", known, len(left)), ("others", others, "kept"))
        ),
    ]


def ask(url: str, body: dict[str, object] | None = None) -> dict[str, object]:
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(1)
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


if __name__ == "__main__":
    main()
