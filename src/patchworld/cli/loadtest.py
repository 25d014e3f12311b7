"""patchworld loadtest: what a running server bears."""

import argparse
import os
from typing import Any

from patchworld.errors import InputError

HELP = """Clients ask for videos, wait for them, fetch and delete them; pollers only ask how far one is. Times are in
milliseconds. A server with keys finds one in the environment variable OPENAI_API_KEY.

example: patchworld loadtest --clients 20 --pollers 200 --seconds 60"""


def add(commands: Any) -> None:
    loadtest = commands.add_parser("loadtest", help="measure what a running server bears", epilog=HELP)
    loadtest.add_argument(
        "url", nargs="?", default="http://127.0.0.1:8000", metavar="URL", help="default http://127.0.0.1:8000"
    )
    loadtest.add_argument("--clients", type=int, default=8, metavar="N", help="who ask for videos; default 8")
    loadtest.add_argument("--pollers", type=int, default=0, metavar="N", help="who ask how far one is; default 0")
    loadtest.add_argument("--every", type=float, default=0.5, metavar="S", help="seconds between their questions")
    loadtest.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long; default 30")
    video = loadtest.add_argument_group("each video")
    video.add_argument("--prompt", default="a red ball rolls to the left on grass", metavar="TEXT")
    video.add_argument("--length", type=float, default=1.0, metavar="S", help="seconds; default 1")
    video.add_argument("--size", default="64x64", metavar="WxH", help="default 64x64")
    video.add_argument("--steps", type=int, default=8, metavar="N", help="of the solver; default 8")
    loadtest.set_defaults(parser=loadtest, run=_loadtest)


def _loadtest(options: argparse.Namespace) -> str:
    from patchworld.serve.loadtest import Load, run, table

    for name, least, most in (("clients", 1, 1000), ("pollers", 0, 1000), ("seconds", 1, 86_400), ("every", 0, 3600)):
        if not least <= getattr(options, name) <= most:
            raise InputError(f"{name}={getattr(options, name)} is out of range: use {least} to {most}")
    body = {"prompt": options.prompt, "seconds": options.length, "size": options.size, "steps": options.steps}
    load = Load(
        options.url,
        body,
        os.environ.get("OPENAI_API_KEY", ""),
        options.clients,
        options.pollers,
        options.every,
        options.seconds,
    )
    return table(run(load), load.seconds)
