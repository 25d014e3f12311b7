"""Does the server keep to its own OpenAPI document, whatever is sent?

    pip install 'schemathesis>=4.32,<5'
    python benchmarks/fuzz_api.py --examples 100

Schemathesis makes requests for every operation, good and bad ones, and sequences of them. No worker runs, so what is
accepted waits. Counted are answers of 5xx, answers the document does not know, bad input that is accepted, good input
that is refused, and videos that are there after they were deleted. Two checks are left out: GET of a path that is for
POST alone is a video's id that nobody has, 404 and not 405; Starlette's Allow header names the methods of one route.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from measure import machine, publish

from patchworld.serve.api import make_app
from patchworld.serve.connection import HTTP
from patchworld.serve.settings import Key, Limits, Settings
from patchworld.serve.store import Store
from patchworld.serve.worker import open_queue

KEY = "a-key-for-the-fuzzer"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits(waiting=1_000_000, pixels=32 * 32)
        settings = Settings(folder=Path(folder), keys={"ann": Key(key=KEY)}, limits=limits)
        app = make_app(settings, open_queue(settings), Store(settings.folder))
        server = uvicorn.Server(uvicorn.Config(app, port=0, **HTTP))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--header", f"Authorization: Bearer {KEY}", "--max-examples", str(options.examples)),
            *("--exclude-checks", "unsupported_method,allow_header_conformance"),
            *("--seed", str(options.seed), "--no-color", "--suppress-health-check=all"),
        ]
        found = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        server.should_exit = True
    told = re.sub(r"\x1b\[[0-9;]*m", "", found.stdout)
    print(told, found.stderr, file=sys.stderr)
    told = told.replace(f"127.0.0.1:{port}", "server")
    summary = told[told.rfind("SUMMARY") :].split("\n", 1)[-1]
    publish(
        "\n".join(["# Fuzzing by the OpenAPI document", "", machine(), "", "```", summary.strip(), "```"]), options.out
    )


if __name__ == "__main__":
    main()
