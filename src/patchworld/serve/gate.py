"""What stands before every request: who may reach the server, how much may be sent, what is logged."""

import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("localhost", "127.0.0.1", "::1")
# Of every answer that does not say otherwise.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = logging.getLogger("patchworld.serve.requests")


class TooLarge(Exception):
    """More was sent than may be."""


class Gate:
    """ASGI middleware. limit: bytes of a body. public: whether other machines may ask.

    A page of another site, opened in a browser on this machine, can reach a loopback server: its Origin gives it away,
    and a name that was made to point here is not among the LOCAL ones.
    """

    def __init__(self, app: ASGIApp, limit: int, public: bool) -> None:
        self.app, self.limit, self.public = app, limit, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers, started, status = Headers(scope=scope), time.monotonic(), 0
        refusal = self._refusal(headers)
        if scope["type"] == "websocket":
            if refusal:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise TooLarge
            return message

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers_sent = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers_sent.setdefault(name, value)
            await send(message)

        try:
            if refusal:
                await _refuse(*refusal)(scope, receive, answered)
            else:
                await self.app(scope, counted, answered)
        except TooLarge:
            if status == 0:
                message = f"the body has more than {self.limit} bytes: send less"
                await _refuse(413, "too_large", message)(scope, receive, answered)
        finally:
            took = round((time.monotonic() - started) * 1000)
            line = {"method": scope["method"], "path": scope["path"][:200], "status": status, "ms": took, "bytes": seen}
            log.info("request", extra={"fields": line})

    def _refusal(self, headers: Headers) -> tuple[int, str, str] | None:
        host = headers.get("host", "")
        if not self.public and urlsplit(f"//{host}").hostname not in LOCAL:
            return 403, "wrong_host", "this server answers its own machine alone, by the name localhost"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "wrong_origin", "pages of other sites may not ask this server"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limit:
            return 413, "too_large", f"the body has more than {self.limit} bytes: send less"
        return None


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    problem = {"message": message, "type": "invalid_request_error", "code": code, "param": None}
    return JSONResponse({"error": problem}, status)
