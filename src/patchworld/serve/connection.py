"""HTTP as uvicorn speaks it, to clients that say what they want in time.

uvicorn waits for the rest of a request for ever, so a hundred sockets and half a header each would keep a hundred
places (CWE-400, "Slowloris").
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 6.0  # seconds
LEAST = 12_000  # bytes that are heard in that time, or else the whole request: 2 kB a second


class Connection(H11Protocol):
    """One that is closed when what its client says is not finished in time and hardly goes on."""

    _clock: asyncio.TimerHandle | None = None
    _heard = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._heard += len(data)
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Run the clock while more has to come; between two requests uvicorn has one of its own."""
        unfinished = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if not unfinished or self.transport.get_protocol() is not self:  # a websocket goes on by other rules
            self._stop()
        elif self._clock is None:
            self._heard = 0
            self._clock = self.loop.call_later(PATIENCE, self._look)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _look(self) -> None:
        self._clock = None
        if self._heard < LEAST and not self.flow.read_paused:  # paused: it is the server that takes its time
            self.transport.abort()
        else:
            self._watch()


HTTP: dict[str, Any] = {
    "http": Connection,
    "log_config": None,
    "access_log": False,
    "timeout_keep_alive": 6,
    "limit_concurrency": 1000,
    "h11_max_incomplete_event_size": 64 * 1024,
    "ws_max_size": 64 * 1024,
}
"""What uvicorn is told."""
