"""Where the table of the queue is: a SQLite file on one machine, or PostgreSQL for several.

Both run the same statements, in which `:name` is a value. Who *decides* reads before they write, and nobody else may
decide meanwhile: SQLite has one writer anyway, PostgreSQL takes a lock.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import apsw

from patchworld.errors import InputError, RunError, missing_extra

Rows = list[Mapping[str, Any]]
Run = Callable[..., Rows]
"""Runs a statement with values by name; the rows that it returns, each a mapping from columns."""

OTHERS = 60.0  # seconds for which other processes may keep SQLite
CONNECTIONS = 5  # to PostgreSQL, at most, for each process
PATIENCE = 10.0  # seconds for which PostgreSQL may not be there
LOCK = 7_305_211  # whoever decides has it; any number that nobody else uses


class Unreachable(RunError):
    """The database does not answer; it may do so again."""


class Busy(Exception):
    """It would take waiting."""


class Database(Protocol):
    def transaction(
        self, *, decides: bool = False, write: bool = True, wait: bool = True
    ) -> AbstractContextManager[Run]:
        """Run SQL as one unit, brought to the disk before the block is left.

        wait: False for who answers others meanwhile, and reads: what takes no longer than a file in memory is done.
        Raises RunError when the disk is full, Unreachable when there is no database, Busy for who does not wait.
        """

    def now(self, run: Run) -> float:
        """Seconds since 1970, by the one clock that all who use the database share."""

    def close(self) -> None: ...


def open_database(place: str | Path) -> Database:
    """The database in a file, or that of an address, postgresql://user@host/name. Raises InputError, RunError."""
    if "://" not in str(place):
        return SQLite(Path(place))
    if not str(place).startswith(("postgresql://", "postgres://")):
        scheme = str(place).split("://")[0]
        raise InputError(f"queue={scheme}://… is no database that is known: use postgresql://user@host/name")
    return PostgreSQL(str(place))


class SQLite:
    """A file in WAL mode, so that nobody who reads waits for one who writes.

    By apsw, which brings an SQLite of its own: most Pythons have one before 3.51.3, which in that mode may corrupt a
    database that several processes write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    @contextmanager
    def transaction(self, *, decides: bool = False, write: bool = True, wait: bool = True) -> Iterator[Run]:
        try:
            connection = self.connection(OTHERS if wait else 0.0)

            def run(sql: str, **values: Any) -> Rows:
                return cast("Rows", connection.execute(sql, values).fetchall())

            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield run
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (apsw.FullError, apsw.IOError) as error:
            raise RunError(f"the queue cannot be written: {error}; free some space") from error
        except apsw.BusyError as error:
            if not wait:
                raise Busy from error
            raise

    def now(self, run: Run) -> float:
        return time.time()

    def close(self) -> None:
        """Connections end with their threads."""

    def connection(self, patience: float = OTHERS) -> apsw.Connection:
        """That of this thread which waits for others so many seconds."""
        connections: dict[float, apsw.Connection] = self._local.__dict__.setdefault("connections", {})
        if patience not in connections:
            connection = apsw.Connection(str(self.path))
            connection.set_busy_timeout(round(1000 * patience))
            connection.row_trace = _by_name
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connections[patience] = connection
        return connections[patience]


def _by_name(cursor: apsw.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.get_description(), row, strict=True)}


class PostgreSQL:
    def __init__(self, address: str) -> None:
        try:
            import psycopg
            from psycopg.rows import dict_row
            from psycopg_pool import ConnectionPool
        except ImportError as error:
            raise missing_extra(str(error.name), "postgres") from error
        self._trouble: type[Exception] = psycopg.OperationalError
        try:
            psycopg.conninfo.conninfo_to_dict(address)
        except psycopg.ProgrammingError:
            raise InputError("queue=postgresql://… cannot be read: write postgresql://user@host/name") from None
        self._pool: ConnectionPool[Any] = ConnectionPool(
            address,
            min_size=0,
            max_size=CONNECTIONS,
            timeout=PATIENCE,
            kwargs={"row_factory": dict_row},
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def transaction(self, *, decides: bool = False, write: bool = True, wait: bool = True) -> Iterator[Run]:
        if not wait:  # there is a network between
            raise Busy
        try:
            with self._pool.connection() as connection:  # commits, or rolls back what has failed

                def run(sql: str, **values: Any) -> Rows:
                    cursor = connection.execute(_in_psycopg(sql), values)
                    return cursor.fetchall() if cursor.description else []

                if decides:
                    run("SELECT pg_advisory_xact_lock(:key)", key=LOCK)
                yield run
        except self._trouble as error:
            if "full" in str(error) or "No space" in str(error):
                raise RunError("the queue cannot be written: PostgreSQL's disk is full; free some space") from error
            raise Unreachable(f"PostgreSQL does not answer: {str(error).splitlines()[0][:200]}; start it") from error

    def now(self, run: Run) -> float:
        return float(run("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision) AS now")[0]["now"])

    def close(self) -> None:
        self._pool.close()


@cache
def _in_psycopg(sql: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", sql)
