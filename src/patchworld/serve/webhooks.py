"""Tells by signed HTTP that a video is completed or has failed, until somebody hears it.

Signed as the official client verifies it (Standard Webhooks): HMAC-SHA256 of `id.time.body` with the secret's bytes.
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import time
import urllib.error
import urllib.request
from typing import Any

from patchworld.errors import InputError
from patchworld.serve.queue import Job, Queue

TIMEOUT = 10.0  # seconds
MOST_TRIES = 8

log = logging.getLogger(__name__)


def event(job: Job) -> tuple[str, bytes]:
    """The id and the body of what is told about a finished job; the same each time."""
    id = f"evt_{job.id.removeprefix('video_')}"
    told = {
        "id": id,
        "object": "event",
        "created_at": int(job.finished or 0),
        "type": f"video.{job.status}",
        "data": {"id": job.id},
    }
    return id, json.dumps(told).encode()


def sign(secret: str, id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of a signed event. secret: `whsec_` and base64. Raises InputError for another."""
    try:
        if not secret.startswith("whsec_"):
            raise ValueError
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise InputError(
            "the webhook secret cannot be read: write whsec_ and the base64 of at least 24 bytes"
        ) from None
    digest = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def tell_next(queue: Queue, url: str, secret: str) -> bool:
    """Tell the end of one job, if there is one to tell. Tried again later when nobody hears it."""
    if (job := queue.next_to_tell()) is None:
        return False
    id, body = event(job)
    headers = {"Content-Type": "application/json", **sign(secret, id, int(time.time()), body)}
    try:
        with _opener.open(urllib.request.Request(url, body, headers, method="POST"), timeout=TIMEOUT):
            queue.told(job)
    except (OSError, ValueError) as error:
        log.warning("the webhook did not hear %s: %s", id, error)
        if job.tells >= MOST_TRIES:
            queue.told(job)
    return True


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """An operator named one address, and no other is asked."""


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
