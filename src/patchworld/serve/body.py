"""The bodies of requests: JSON, or forms with files and names in brackets, checked against one model.

A form says `video[id]=…` where JSON says {"video": {"id": …}}, and everything in it is text.
"""

import base64
import binascii
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from patchworld.errors import InputError, first_problem
from patchworld.serve.operations import Media
from patchworld.serve.settings import Settings
from patchworld.serve.upload import decode

MOST_FIELDS, MOST_FILES = 200, 8
LARGEST_FIELD = 30 * 2**20  # bytes, for a data: URL
LARGEST_URL = 20 * 2**20  # letters of one


class BadBody(InputError):
    """A body that breaks a rule. param: which part of it."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Parsed:
    """A checked body. fingerprint: the same for two requests that say the same, whatever separates their parts."""

    body: Any
    fingerprint: str


def parsed(model: type[BaseModel]) -> Callable[[Request], AsyncIterator[Parsed]]:
    """What reads and checks the body of a request. Raises BadBody."""

    async def read(request: Request) -> AsyncIterator[Parsed]:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        async with AsyncExitStack() as files:  # of the form, closed when the request is answered
            try:
                if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
                    opened = request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=LARGEST_FIELD)
                    pairs = (await files.enter_async_context(opened)).multi_items()
                    said: Any = sorted([(name, await _mark(value)) for name, value in pairs])
                    body = model.model_validate(nested(pairs))
                elif kind in ("application/json", ""):
                    raw = await request.body() or b"{}"
                    body = model.model_validate_json(raw, strict=True)
                    said = json.loads(raw)
                else:
                    raise BadBody(f"a body of {kind[:80]!r} is unknown: send application/json or multipart/form-data")
            except ValidationError as error:
                place = ".".join(map(str, error.errors()[0]["loc"]))
                raise BadBody(first_problem(error), place or None) from error
            except HTTPException as error:
                raise BadBody(f"the form cannot be read: {error.detail}") from error
            except (RecursionError, UnicodeDecodeError):
                raise BadBody("the body cannot be read: send UTF-8, and JSON that is not so deep") from None
            told = json.dumps([request.url.path, said], sort_keys=True)
            yield Parsed(body, hashlib.sha256(told.encode()).hexdigest())

    return read


async def _mark(value: str | UploadFile) -> str:
    if isinstance(value, str):
        return value
    digest = hashlib.sha256()
    while piece := await value.read(2**20):
        digest.update(piece)
    await value.seek(0)
    return digest.hexdigest()


def nested(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """[("video[id]", "x"), ("cards[0][at]", "1")] as {"video": {"id": "x"}, "cards": [{"at": "1"}]}.

    Numbers, or nothing, between brackets make a list. A text that begins like a JSON list or object, in a field without
    brackets that is not the prompt, is read as JSON.
    """
    tree: dict[str, Any] = {}
    for name, value in pairs:
        match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,6})", name)
        if match is None:
            raise BadBody(f"the name {name[:80]!r} of a field cannot be read: write it as video[id]", None)
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if isinstance(value, str) and len(path) == 1 and value[:1] in ("[", "{") and name not in _TEXTS:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise BadBody(f"{name}: cannot be read as JSON", name) from None
        place = tree
        for part in path[:-1]:
            part = part or str(len(place))
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise BadBody(f"{name[:80]}: given as a value and as an object", name)
        last = path[-1] or str(len(place))
        if last in place:
            raise BadBody(f"{name[:80]}: given twice", name)
        place[last] = value
    return _lists(tree)


_TEXTS = ("prompt", "negative", "things", "name", "model")


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    parts = {name: _lists(part) for name, part in value.items()}
    if parts and all(re.fullmatch(r"\d{1,4}", name) for name in parts):
        return [parts[name] for name in sorted(parts, key=int)]
    return parts


def take_upload(media: Media, out: Path, settings: Settings) -> None:
    """The bytes that a request carries as a lossless file. Raises InputError, MediaError."""
    if media.file_id is not None:
        raise BadBody("file_id is not supported, there is no Files API here: send the file itself", "file_id")
    upload = out.with_suffix(".upload")
    with open(upload, "wb") as file:
        if media.file is not None:
            shutil.copyfileobj(media.file.file, file)
        else:
            file.write(data_of_url(media.image_url or ""))
    limits = settings.limits
    try:
        decode(upload, out, frames=limits.frames, pixels=limits.pixels, seconds=limits.decoding)
    finally:
        upload.unlink()


def data_of_url(url: str) -> bytes:
    """The bytes of a data: URL. Anything on the network is refused: this server fetches nothing."""
    head, comma, data = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
        raise BadBody("image_url: this server fetches nothing: send the file, or data:image/png;base64,…", "image_url")
    if len(url) > LARGEST_URL:
        raise BadBody(f"image_url: has {len(url)} letters, more than {LARGEST_URL}: send the file", "image_url")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise BadBody("image_url: what follows the comma is no base64", "image_url") from None
