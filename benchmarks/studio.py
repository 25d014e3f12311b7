"""How soon can the studio be used after its address is opened, and how large is it?

    python benchmarks/studio.py --browser /usr/bin/chromium

A server without workers has 24 finished videos. A browser with an empty cache opens the page until the prompt box takes
letters and all 24 pictures are shown. Seconds are of the clock on the wall, so the least is the most honest one on a
machine that does other things.
"""

import argparse
import gzip
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import uvicorn
from measure import machine, publish
from playwright.sync_api import sync_playwright

from patchworld.serve.api import make_app
from patchworld.serve.connection import HTTP
from patchworld.serve.page import BUILT, FILES
from patchworld.serve.settings import Settings
from patchworld.serve.store import VARIANTS, Store
from patchworld.serve.worker import open_queue
from patchworld.video import Clip

VIDEOS, OPENINGS = 24, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", default=shutil.which("chromium"), help="default: chromium, where it is found")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(folder=Path(folder))
        queue, store = open_queue(settings), Store(settings.folder)
        fill(queue, store)
        server = uvicorn.Server(uvicorn.Config(make_app(settings, queue, store), port=0, **HTTP))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        seconds = open_often(f"http://127.0.0.1:{port}", options.browser)
        server.should_exit = True
        thread.join()
    contents = [(BUILT / name).read_bytes() for name in FILES.values()]
    sizes = [sum(map(len, kind)) / 1000 for kind in (contents, map(gzip.compress, contents))]
    lines = [
        "| what | usable after, least (s) | median (s) |",
        "|---|---|---|",
        *(f"| {name} | {min(times):.2f} | {statistics.median(times):.2f} |" for name, times in seconds.items()),
        "",
        f"{sizes[0]:.0f} kB in {len(contents)} files, {sizes[1]:.0f} kB compressed. The server sends them as they are.",
    ]
    publish("\n".join(["# Opening the studio", "", machine(), "", *lines]), options.out)


def fill(queue, store) -> None:
    """Finished videos, each with a picture."""
    draw = np.random.default_rng(0)
    asked = {"operation": "create", "model": "", "prompt": "a red ball", "seconds": "4", "size": "160x96"}
    more = {"sampling": {"seed": 0}, "fitted_from": None, "notes": [], "remixed_from_video_id": None}
    for _ in range(VIDEOS):
        queue.submit("local", {**asked, **more})
        job = queue.claim()
        store.job_folder(job.id).mkdir()
        picture = Clip(draw.integers(0, 255, (1, 96, 160, 3), np.uint8), 1.0)
        picture.save(store.file(job, VARIANTS["thumbnail"][0]))
        queue.complete(job)


def open_often(url: str, browser: str) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"prompt box": [], "all pictures": []}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for _ in range(OPENINGS):
            page = chromium.new_context().new_page()
            started = time.monotonic()
            page.goto(url, wait_until="commit")
            page.locator("#prompt").press_sequentially("a")
            times["prompt box"].append(time.monotonic() - started)
            page.locator(".still img").nth(VIDEOS - 1).wait_for()
            times["all pictures"].append(time.monotonic() - started)
            page.context.close()
    return times


if __name__ == "__main__":
    main()
