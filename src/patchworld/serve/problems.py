"""Answers that are errors: one shape for all of them, and the status that each gets."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from patchworld.errors import InputError, RunError
from patchworld.serve.database import Unreachable
from patchworld.serve.queue import Conflict, Full


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None, **headers: str) -> None:
        self.status, self.code, self.message, self.param, self.headers = status, code, message, param, headers


class Problem(BaseModel):
    message: str
    type: str
    code: str | None = None
    param: str | None = None


class ErrorAnswer(BaseModel):
    error: Problem


def add_problems(app: FastAPI) -> None:
    """Answer every error in one shape, without a word about the inside of the server."""

    def answer(status: int, code: str, message: str, param: str | None = None, headers: Any = None) -> JSONResponse:
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
            status, "server_error" if status >= 500 else "invalid_request_error"
        )
        problem = ErrorAnswer(error=Problem(message=message, type=kind, code=code, param=param))
        return JSONResponse(problem.model_dump(), status, headers)

    @app.exception_handler(Refusal)
    def refusal(_: Request, error: Refusal) -> Response:
        return answer(error.status, error.code, error.message, error.param, error.headers)

    @app.exception_handler(InputError)
    def bad_input(_: Request, error: InputError) -> Response:
        return answer(400, "invalid_request", str(error), getattr(error, "param", None))

    @app.exception_handler(RequestValidationError)
    def bad_parameter(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = str(first["loc"][-1])
        if first["loc"][0] == "path":  # no id that was ever given out
            return answer(404, "not_found", f"there is no such {place}", place)
        return answer(400, "invalid_request", f"{place}: {first['msg']}", place)

    @app.exception_handler(Conflict)
    def conflict(_: Request, error: Conflict) -> Response:
        return answer(409, "idempotency_conflict", "this Idempotency-Key was used for another request: use a new one")

    @app.exception_handler(Full)
    def full(_: Request, error: Full) -> Response:
        message = "as many of your videos wait as may: ask again when one is finished"
        return answer(429, "queue_full", message, headers={"Retry-After": "5"})

    @app.exception_handler(Unreachable)
    def unreachable(_: Request, error: Unreachable) -> Response:
        message = "the server cannot reach its queue: try again later"
        return answer(503, "queue_unreachable", message, headers={"Retry-After": "5"})

    @app.exception_handler(RunError)
    @app.exception_handler(OSError)
    def storage(_: Request, error: Exception) -> Response:
        return answer(507, "storage_full", "the server cannot write to its disk: try again later")

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "invalid_request")
        return answer(error.status_code, code, str(error.detail), headers=error.headers)

    @app.exception_handler(ClientDisconnect)
    def gone(_: Request, error: ClientDisconnect) -> Response:
        return answer(400, "disconnected", "the client hung up before it had said everything")

    @app.exception_handler(Exception)
    def anything(_: Request, error: Exception) -> Response:
        return answer(500, "server_error", "the server made a mistake; it is in its log")
