"""patchworld serve: the Videos API on this machine."""

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from patchworld.cli.parser import add_lora, add_model
from patchworld.errors import missing_extra

HELP = """Clients of the Videos API work unmodified: OPENAI_BASE_URL=http://127.0.0.1:8000/v1
Keys are a file like {"ann": {"key": "at least 16 letters", "priority": 0}}. The secret of the webhook is read from the
environment variable PATCHWORLD_WEBHOOK_SECRET, the password of PostgreSQL from PGPASSWORD or ~/.pgpass. See
docs/serving.md.

example: patchworld serve --folder videos"""


def add(commands: Any) -> None:
    serve = commands.add_parser("serve", help="answer clients of the Videos API", epilog=HELP)
    serve.add_argument(
        "--folder", type=Path, default=Path("served"), metavar="DIR", help="jobs and videos; default served"
    )
    add_model(serve)
    add_lora(serve)
    serve.add_argument("--host", default="127.0.0.1", metavar="HOST", help="default 127.0.0.1: this machine alone")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="default 8000")
    serve.add_argument("--workers", type=int, default=1, metavar="N", help="processes that dream, or 0; default 1")
    serve.add_argument(
        "--queue", metavar="URL", help="postgresql://user@host/name: jobs of several machines, which share the folder"
    )
    serve.add_argument(
        "--batch", type=int, default=512, metavar="N", help="tokens of jobs that are dreamed in one pack; default 512"
    )
    serve.add_argument("--keys", type=Path, metavar="FILE", help="API keys and their owners")
    serve.add_argument("--webhook", metavar="URL", help="where the end of each job is told, signed")
    serve.add_argument(
        "--moderation",
        metavar="COMMAND",
        help="your own program, asked before and after each video: docs/provenance.md",
    )
    serve.add_argument("--label", action="store_true", help='write "AI generated" into every frame that is served')
    limits = serve.add_argument_group("limits")
    for option, text in (
        ("pixels", "of a frame; larger sizes are fitted; default 16384"),
        ("seconds", "of a video; default 60"),
        ("steps", "of the solver; default 64"),
        ("waiting", "unfinished jobs of one owner; default 100"),
        ("upload", "bytes of one request; default 67108864"),
    ):
        limits.add_argument(f"--{option}", type=float if option == "seconds" else int, metavar="N", help=text)
    serve.set_defaults(parser=serve, run=_serve)


def _words(command: str | None) -> tuple[str, ...]:
    """A command with its arguments, as a shell would part them; no shell sees it."""
    from patchworld.errors import InputError

    try:
        words = tuple(shlex.split(command or ""))
    except ValueError as error:
        raise InputError(f"--moderation: {str(error).lower()} in '{command}': close what was opened") from None
    if command is not None and not words:
        raise InputError("--moderation is empty: name a program, or leave it out")
    return words


def _serve(options: argparse.Namespace) -> str:
    try:
        from patchworld.serve.server import run
    except ImportError as error:
        raise missing_extra(str(error.name), "serve") from error
    from pydantic import ValidationError

    from patchworld.errors import InputError, first_problem
    from patchworld.serve.settings import Limits, Settings, read_keys

    named = {name: getattr(options, name) for name in ("pixels", "seconds", "steps", "waiting", "upload")}
    try:
        settings = Settings(
            folder=options.folder.absolute(),
            queue=options.queue,
            batch=options.batch,
            model=options.model.absolute() if options.model else None,
            lora=options.lora.absolute() if options.lora else None,
            lora_strength=options.lora_strength,
            keys=read_keys(options.keys) if options.keys else {},
            limits=Limits(**{name: value for name, value in named.items() if value is not None}),
            webhook=options.webhook,
            webhook_secret=os.environ.get("PATCHWORLD_WEBHOOK_SECRET", ""),
            moderation=_words(options.moderation),
            label=options.label,
        )
    except ValidationError as error:
        raise InputError(first_problem(error)) from None
    if not 0 <= options.workers <= 256:
        raise InputError(f"workers={options.workers} is out of range: use 0 to 256")
    run(settings, host=options.host, port=options.port, workers=options.workers)
    return ""
