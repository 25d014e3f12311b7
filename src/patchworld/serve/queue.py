"""A queue that loses nothing: one SQL table, shared by any number of processes.

A worker that claims a job gets it for the time of a lease, with a fresh token, and beats to keep it. When the worker
dies the lease runs out and another one may claim the job: the token of the first no longer fits, so whatever it still
does counts for nothing. A job is committed before anyone is told of it, and its files are there before it is completed.

The SQL is what SQLite and PostgreSQL share, one transaction a call: see database.py.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from patchworld.serve.database import Rows, Run, open_database

Status = Literal["queued", "in_progress", "completed", "failed"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    request TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued',
    progress INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    token TEXT,
    lease DOUBLE PRECISION,
    cancelled INTEGER NOT NULL DEFAULT 0,
    created DOUBLE PRECISION NOT NULL,
    due DOUBLE PRECISION NOT NULL,
    started DOUBLE PRECISION,
    finished DOUBLE PRECISION,
    expires DOUBLE PRECISION,
    error_code TEXT,
    error_message TEXT,
    idempotency_key TEXT,
    fingerprint TEXT,
    tell INTEGER NOT NULL DEFAULT 0,
    tells INTEGER NOT NULL DEFAULT 0,
    tell_at DOUBLE PRECISION,
    UNIQUE (owner, idempotency_key)
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, due);
CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, created, id);
"""
# Whoever runs fewest, and among those was served longest ago, is next.
NEXT = """
SELECT waiting.* FROM jobs AS waiting JOIN (
    SELECT owner, SUM(CASE WHEN status = 'in_progress' AND lease >= :now THEN 1 ELSE 0 END) AS running,
        MAX(started) AS last
    FROM jobs GROUP BY owner
) AS others ON others.owner = waiting.owner
WHERE (waiting.status = 'queued' AND waiting.due <= :now)
    OR (waiting.status = 'in_progress' AND waiting.lease < :now)
ORDER BY waiting.priority DESC, others.running, COALESCE(others.last, 0), waiting.created, waiting.id
LIMIT 1
"""
CLAIM = """
UPDATE jobs SET status = 'in_progress', token = :token, lease = :until, attempts = attempts + 1, started = :now,
    progress = 0
WHERE id = :id RETURNING *
"""
FINISH = """
UPDATE jobs SET status = :status, progress = CASE WHEN :status = 'completed' THEN 100 ELSE progress END, lease = NULL,
    finished = :now, expires = :now + :keep, error_code = :code, error_message = :message,
    tell_at = CASE WHEN tell = 1 THEN :now END
"""
AHEAD = """
SELECT COUNT(*) AS number FROM jobs
WHERE id <> :id AND (status = 'in_progress'
    OR (status = 'queued' AND (priority > :priority OR (priority = :priority AND created < :created))))
"""
CLAIMABLE = "(status = 'queued' AND due <= :now) OR (status = 'in_progress' AND lease < :now)"


@dataclass(frozen=True)
class Job:
    """A row of the table. Times are seconds since 1970.

    request: what is to be made, JSON that only the server and its workers understand. progress: percent.
    token: of the attempt that has the lease, or that completed the job: files are named by it.
    due: not to be claimed before. expires: when the files of a finished job are deleted.
    """

    id: str
    owner: str
    request: dict[str, Any]
    status: Status
    progress: int
    attempts: int
    token: str | None
    cancelled: bool
    created: float
    started: float | None
    finished: float | None
    expires: float | None
    error_code: str | None
    error_message: str | None
    tells: int


@dataclass(frozen=True)
class Look:
    """A job at a moment. ahead: how many are made or wait before it while it waits, by priority and time; turns
    between owners may change it."""

    job: Job
    moment: float
    ahead: int | None


class Conflict(Exception):
    """An idempotency key was used before, for another request."""


class Full(Exception):
    """As many jobs wait as may."""


class Queue:
    """Jobs in a SQLite file, or in the database at an address. An object may be used by several threads, the database
    by several processes.

    lease: seconds for which a silent worker keeps a job. attempts: how often a job is tried before it fails.
    keep: seconds for which a finished job and its files are kept. clock: seconds since 1970; default the database's,
    which is the same for all.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        lease: float = 30.0,
        attempts: int = 5,
        keep: float = 86_400.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.database = open_database(place)
        self.lease, self.attempts, self.keep, self._clock = lease, attempts, keep, clock
        try:
            with self.database.transaction(decides=True) as run:
                for statement in filter(str.strip, SCHEMA.split(";")):
                    run(statement)
        except BaseException:
            self.database.close()
            raise

    def close(self) -> None:
        self.database.close()

    def submit(
        self,
        owner: str,
        request: dict[str, Any],
        *,
        id: str | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
        most: int | None = None,
        tell: bool = False,
    ) -> Job:
        """Keep a job, or find the one that the same key made; higher priorities are done first.

        fingerprint: what two requests of one key have in common if they are the same; default the request itself.
        most: how many unfinished jobs the owner may have. Raises Full beyond that, Conflict when the key was used for
        another request.
        """
        text = json.dumps(request, sort_keys=True, allow_nan=False)
        fingerprint = fingerprint or hashlib.sha256(text.encode()).hexdigest()
        with self.database.transaction(decides=True) as run:
            if idempotency_key is not None and (found := _again(run, owner, idempotency_key, fingerprint)):
                return found
            if most is not None and _count_unfinished(run, owner) >= most:
                raise Full
            row = run(
                "INSERT INTO jobs (id, owner, request, priority, created, due, idempotency_key, fingerprint, tell) "
                "VALUES (:id, :owner, :request, :priority, :now, :now, :key, :fingerprint, :tell) RETURNING *",
                id=id or new_id(),
                owner=owner,
                request=text,
                priority=priority,
                now=self._now(run),
                key=idempotency_key,
                fingerprint=fingerprint,
                tell=int(tell),
            )
            return _job(row[0])

    def again(self, owner: str, idempotency_key: str, fingerprint: str) -> Job | None:
        """The job that this key made, if any. Raises Conflict as `submit`."""
        with self.database.transaction(write=False) as run:
            return _again(run, owner, idempotency_key, fingerprint)

    def claim(self, takes: Callable[[Job, float], bool] = lambda job, waited: True) -> Job | None:
        """The next job, with a lease and a new token; None when there is nothing to do.

        takes: whether the worker wants the job that is next and has waited for so many seconds. If not, nothing is
        claimed: what is next stays next.
        """
        with self.database.transaction(write=False) as run:
            now = self._now(run)
            if not run(f"SELECT 1 FROM jobs WHERE {CLAIMABLE} LIMIT 1", now=now):
                return None
        with self.database.transaction(decides=True) as run:
            silent = " WHERE status = 'in_progress' AND lease < :now AND "
            ended: dict[str, Any] = {"status": "failed", "now": now, "keep": self.keep}
            run(FINISH + silent + "cancelled = 1", **ended, **_CANCELLED)
            message = f"the workers that tried it died, {self.attempts} times"
            run(FINISH + silent + "attempts >= :most", **ended, code="worker_died", message=message, most=self.attempts)
            rows = run(NEXT, now=now)
            if not rows or not takes(_job(rows[0]), now - rows[0]["due"]):
                return None
            token, until = secrets.token_hex(16), now + self.lease
            return _one(run(CLAIM, id=rows[0]["id"], token=token, now=now, until=until))

    def beat(self, job: Job, progress: int) -> Literal["go on", "cancelled", "lost"]:
        """Keep the lease and tell the progress, in percent. `lost`: somebody else has the job, what is made is void."""
        with self.database.transaction() as run:
            rows = run(
                "UPDATE jobs SET lease = :until, progress = :progress WHERE id = :id AND token = :token "
                "AND status = 'in_progress' RETURNING cancelled",
                until=self._now(run) + self.lease,
                progress=progress,
                id=job.id,
                token=job.token,
            )
        if not rows:
            return "lost"
        return "cancelled" if rows[0]["cancelled"] else "go on"

    def complete(self, job: Job) -> bool:
        """The files of this attempt are the result. False when the job is no longer this worker's, or was cancelled."""
        return self._finish(job, "completed", " AND cancelled = 0")

    def fail(self, job: Job, code: str, message: str, *, retry: bool = False) -> bool:
        """It did not work. With `retry` it is tried again, later each time, as long as there are attempts left."""
        if retry and job.attempts < self.attempts:
            return self._put_back(job, wait=2.0**job.attempts, attempts=job.attempts)
        return self._finish(job, "failed", "", code=code, message=message)

    def release(self, job: Job) -> bool:
        """Put a job back that was stopped for no fault of its own: a worker that is told to go."""
        return self._put_back(job, wait=0.0, attempts=job.attempts - 1)

    def cancel(self, owner: str, id: str) -> Job | None:
        """Stop a job: at once when it waits, at the next step of the solver when it is made. It fails, `cancelled`."""
        with self.database.transaction() as run:
            run(
                FINISH + " WHERE id = :id AND owner = :owner AND status = 'queued'",
                id=id,
                owner=owner,
                **self._ended(run, "failed", **_CANCELLED),
            )
            run(
                "UPDATE jobs SET cancelled = 1 WHERE id = :id AND owner = :owner AND finished IS NULL", **_of(owner, id)
            )
            return _one(run("SELECT * FROM jobs WHERE id = :id AND owner = :owner", **_of(owner, id)))

    def get(self, owner: str, id: str) -> Job | None:
        with self.database.transaction(write=False) as run:
            return _one(run("SELECT * FROM jobs WHERE id = :id AND owner = :owner", **_of(owner, id)))

    def look(self, owner: str, id: str, *, wait: bool = True) -> Look | None:
        """A job as it stands now. Raises Busy instead of waiting for others if not to `wait`."""
        with self.database.transaction(write=False, wait=wait) as run:
            rows = run("SELECT * FROM jobs WHERE id = :id AND owner = :owner", **_of(owner, id))
            return self._look(run, rows[0]) if rows else None

    def find(self, id: str) -> Job | None:
        """A job, whoever owns it."""
        with self.database.transaction(write=False) as run:
            return _one(run("SELECT * FROM jobs WHERE id = :id", id=id))

    def page(
        self, owner: str, *, after: str | None = None, limit: int = 20, newest_first: bool = True
    ) -> tuple[list[Look], bool]:
        """Up to `limit` jobs of an owner in order of time, after the one of this id; whether there are more.

        Raises KeyError when there is no job `after`.
        """
        order, compare = ("DESC", "<") if newest_first else ("ASC", ">")
        with self.database.transaction(write=False) as run:
            beyond, place = "", {}
            if after is not None:
                rows = run("SELECT created FROM jobs WHERE id = :id AND owner = :owner", **_of(owner, after))
                if not rows:
                    raise KeyError(after)
                place = {"created": rows[0]["created"], "id": after}
                beyond = f"AND (created {compare} :created OR (created = :created AND id {compare} :id)) "
            rows = run(
                f"SELECT * FROM jobs WHERE owner = :owner {beyond}ORDER BY created {order}, id {order} LIMIT :limit",
                owner=owner,
                limit=limit + 1,
                **place,
            )
            return [self._look(run, row) for row in rows[:limit]], len(rows) > limit

    def delete(self, owner: str, id: str) -> bool:
        """Forget a finished job, its idempotency key too. False when there is none."""
        with self.database.transaction() as run:
            ended = "id = :id AND owner = :owner AND finished IS NOT NULL"
            return bool(run(f"DELETE FROM jobs WHERE {ended} RETURNING id", **_of(owner, id)))

    def forget(self) -> list[str]:
        """Delete what has expired; the ids."""
        with self.database.transaction() as run:
            return [row["id"] for row in run("DELETE FROM jobs WHERE expires < :now RETURNING id", now=self._now(run))]

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each status."""
        with self.database.transaction(write=False) as run:
            rows = run("SELECT status, COUNT(*) AS number FROM jobs GROUP BY status")
        return dict.fromkeys(("queued", "in_progress", "completed", "failed"), 0) | {
            row["status"]: row["number"] for row in rows
        }

    def next_to_tell(self, patience: float = 60.0) -> Job | None:
        """A finished job whose end is to be told. It comes again after `patience` seconds, twice as late each time."""
        with self.database.transaction(decides=True) as run:
            return _one(
                run(
                    "UPDATE jobs SET tells = tells + 1, tell_at = :now + :patience * (tells + 1) * (tells + 1) "
                    "WHERE id = (SELECT id FROM jobs WHERE tell_at <= :now ORDER BY tell_at LIMIT 1) RETURNING *",
                    now=self._now(run),
                    patience=patience,
                )
            )

    def told(self, job: Job) -> None:
        with self.database.transaction() as run:
            run("UPDATE jobs SET tell_at = NULL WHERE id = :id", id=job.id)

    def _now(self, run: Run) -> float:
        return self._clock() if self._clock is not None else self.database.now(run)

    def _look(self, run: Run, row: Mapping[str, Any]) -> Look:
        ahead = (
            run(AHEAD, **{name: row[name] for name in ("id", "priority", "created")})
            if row["status"] == "queued"
            else None
        )
        return Look(_job(row), self._now(run), ahead[0]["number"] if ahead else None)

    def _ended(self, run: Run, status: Status, code: str | None = None, message: str | None = None) -> dict[str, Any]:
        return {"status": status, "now": self._now(run), "keep": self.keep, "code": code, "message": message}

    def _finish(self, job: Job, status: Status, also: str, **why: str) -> bool:
        mine = " WHERE id = :id AND token = :token AND status = 'in_progress'"
        with self.database.transaction() as run:
            values = self._ended(run, status, **why)
            return bool(run(FINISH + mine + also + " RETURNING id", id=job.id, token=job.token, **values))

    def _put_back(self, job: Job, wait: float, attempts: int) -> bool:
        with self.database.transaction() as run:
            return bool(
                run(
                    "UPDATE jobs SET status = 'queued', token = NULL, lease = NULL, progress = 0, due = :due, "
                    "attempts = :attempts WHERE id = :id AND token = :token AND status = 'in_progress' RETURNING id",
                    due=self._now(run) + wait,
                    attempts=attempts,
                    id=job.id,
                    token=job.token,
                )
            )


_CANCELLED = {"code": "cancelled", "message": "the video was cancelled"}


def new_id(kind: str = "video") -> str:
    """A name that nobody guesses: 128 random bits."""
    return f"{kind}_{secrets.token_hex(16)}"


def _of(owner: str, id: str) -> dict[str, str]:
    return {"owner": owner, "id": id}


def _again(run: Run, owner: str, key: str, fingerprint: str) -> Job | None:
    rows = run("SELECT * FROM jobs WHERE owner = :owner AND idempotency_key = :key", owner=owner, key=key)
    if rows and rows[0]["fingerprint"] != fingerprint:
        raise Conflict
    return _one(rows)


def _count_unfinished(run: Run, owner: str) -> int:
    rows = run("SELECT COUNT(*) AS number FROM jobs WHERE owner = :owner AND finished IS NULL", owner=owner)
    return int(rows[0]["number"])


def _one(rows: Rows) -> Job | None:
    return _job(rows[0]) if rows else None


def _job(row: Mapping[str, Any]) -> Job:
    values = {name: row[name] for name in Job.__dataclass_fields__}
    return Job(**{**values, "request": json.loads(values["request"]), "cancelled": bool(values["cancelled"])})
