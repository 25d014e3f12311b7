"""An operator's own program sees every request before it is dreamed, and every video before it can be fetched.

It is started for each look, reads one JSON object from its input and answers with one:

    <- {"stage": "input", "owner": "ann", "operation": "create", "texts": ["a red ball"], "files": ["/…/input-1.mkv"]}
    -> {"blocked": false}    or    {"blocked": true, "reason": "no balls here"}

stage: `input` for what was asked, `output` for what was made of it. texts: everything that was written in the request.
files: lossless videos, of what was given or of the result; an image is a video of one frame.

Whatever else it does blocks too: another exit status than 0, other words, no answer in time.
"""

import json
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from patchworld.serve.queue import Job

PATIENCE = 60.0  # seconds for one answer
LONGEST_ANSWER = 10_000  # bytes

log = logging.getLogger(__name__)


class Blocked(Exception):
    """The video is not to be made, or not to be shown. Its words are for whoever asked."""


class Answer(BaseModel):
    blocked: bool = Field(strict=True)
    reason: str = Field("", max_length=500)


def moderate(command: Sequence[str], stage: Literal["input", "output"], job: Job, files: Sequence[Path]) -> None:
    """Ask the program `command` about a job. Raises Blocked unless it clearly says that nothing is wrong."""
    asked = {
        "stage": stage,
        "owner": job.owner,
        "operation": job.request.get("operation", ""),
        "texts": list(dict.fromkeys(text for text in texts(job.request) if text)),
        "files": [str(file) for file in files],
    }
    when = "before it was made" if stage == "input" else "after it was made"
    try:
        answer = Answer.model_validate_json(_ask(command, json.dumps(asked).encode()))
    except (OSError, subprocess.SubprocessError, ValidationError) as error:
        told = "no answer as agreed" if isinstance(error, ValidationError) else str(error)
        log.error("the moderation failed, job %s counts as blocked: %s", job.id, told)
        raise Blocked(f"the moderation of this server failed, so the video was blocked {when}: ask again") from error
    if answer.blocked:
        reason = "".join(letter if letter.isprintable() else " " for letter in answer.reason).strip()
        raise Blocked(f"the video was blocked by the moderation of this server, {when}" + (reason and f": {reason}"))


def texts(request: dict[str, Any]) -> Iterator[str]:
    """Everything that a person wrote in the request of a job."""
    yield from _leaves([request.get("prompt"), request.get("negative"), request["arguments"]], files=False)


def inputs(request: dict[str, Any]) -> list[str]:
    """The names of the files that a job is made from."""
    return list(_leaves(request["arguments"], files=True))


def _leaves(value: Any, files: bool) -> Iterator[str]:
    if isinstance(value, dict) and value.keys() == {"input"}:  # see operations.written
        if files:
            yield value["input"]
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part, files)
    elif isinstance(value, str) and not files:
        yield value


def _ask(command: Sequence[str], asked: bytes) -> bytes:
    """What the program answers. It is killed with all it has started when it takes too long."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # logs hold no prompts, and nobody knows what it writes
        start_new_session=True,
    )
    try:
        answer, _ = child.communicate(asked, timeout=PATIENCE)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
        child.communicate()
        raise
    if child.returncode != 0:
        raise subprocess.SubprocessError(f"exit status {child.returncode}")
    return answer[:LONGEST_ANSWER]
