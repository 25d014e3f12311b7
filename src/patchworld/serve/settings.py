"""What an operator decides about a server."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from patchworld.errors import InputError, first_problem

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Limits(BaseModel):
    """How much one request, one owner and one upload may ask for. No request can raise them."""

    model_config = STRICT

    pixels: PositiveInt = 128 * 128  # of a frame; larger sizes are fitted, and the answer says so
    seconds: PositiveFloat = 60.0  # of a video
    frames: PositiveInt = 1024  # of a video
    steps: PositiveInt = 64  # of the solver
    waiting: PositiveInt = 100  # unfinished jobs of one owner
    upload: PositiveInt = 64 * 2**20  # bytes of one request
    decoding: PositiveFloat = 60.0  # seconds that decoding one upload may take
    plays: PositiveInt = 1  # live worlds at once


class Key(BaseModel):
    """An API key. Jobs of owners with a higher priority are done first."""

    model_config = STRICT

    key: str = Field(min_length=16)
    priority: int = 0


class Settings(BaseModel):
    """Everything a server and its workers have to know.

    folder: where jobs and their files are. queue: the address of the database that holds the jobs instead, if several
    machines share them; the folder is shared too then.
    model: the folder of a model, or the one that comes with patchworld. lora: the folder of an adapter to add to it.
    lease: seconds after which a silent worker's job goes to another. keep: seconds for which videos are kept.
    webhook: where the end of each job is told, signed with `webhook_secret`.
    moderation: a program with its arguments that is asked before and after each video, see moderation.py.
    label: whether what is served says in its pictures that it is AI-generated.
    batch: tokens up to which a worker dreams several jobs at once, in one pack.
    """

    model_config = STRICT

    folder: Path
    queue: str | None = None
    model: Path | None = None
    lora: Path | None = None
    lora_strength: float = 1.0
    keys: dict[str, Key] = {}
    limits: Limits = Limits()
    fps: PositiveFloat = 8.0
    lease: PositiveFloat = 30.0
    attempts: PositiveInt = 5
    keep: PositiveFloat = 7 * 86_400.0
    batch: PositiveInt = 512
    webhook: str | None = None
    webhook_secret: str = ""
    moderation: tuple[str, ...] = ()
    label: bool = False

    def without_secrets(self) -> "Settings":
        """What processes get that dream."""
        return self.model_copy(update={"keys": {}, "webhook_secret": ""})

    @property
    def jobs(self) -> str | Path:
        """Where the queue is."""
        return self.queue or self.folder / "jobs.db"


def read_keys(path: Path) -> dict[str, Key]:
    """The keys of a file, {"owner": {"key": "…", "priority": 0}}. Raises InputError, which shows no key."""
    try:
        found = {owner: Key.model_validate(key) for owner, key in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        problem = first_problem(error).split("=")[0] if isinstance(error, ValidationError) else "no JSON object"
        example = '{"ann": {"key": "at least 16 letters"}}'
        raise InputError(f"{path} is no file of keys ({problem}): write {example}") from None
    if not found or len({key.key for key in found.values()}) < len(found):
        raise InputError(f"{path} holds no key, or one key twice: give each owner one of their own")
    return found


@dataclass(frozen=True)
class Owner:
    """Who asks."""

    name: str
    priority: int = 0


def owner_of(settings: Settings, authorization: str | None) -> Owner | None:
    """Whose key a header says, `Bearer KEY`. A server without keys, which only its machine reaches, has one owner."""
    if not settings.keys:
        return Owner("local")
    scheme, _, sent = (authorization or "").partition(" ")
    found = None
    for name, key in settings.keys.items():  # all are compared, so that the time tells nothing
        if hmac.compare_digest(_digest(key.key), _digest(sent.strip())):
            found = Owner(name, key.priority)
    return found if scheme.lower() == "bearer" else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
