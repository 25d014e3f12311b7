import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from patchworld.errors import InputError, RunError
from patchworld.serve.database import Unreachable
from patchworld.serve.problems import Refusal, add_problems
from patchworld.serve.queue import Conflict, Full


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (Refusal(404, "not_found", "there is no video"), 404, "invalid_request_error", "not_found"),
        (InputError("steps=0: use more"), 400, "invalid_request_error", "invalid_request"),
        (Conflict(), 409, "invalid_request_error", "idempotency_conflict"),
        (Full(), 429, "rate_limit_error", "queue_full"),
        (Unreachable("at secret:5432"), 503, "server_error", "queue_unreachable"),
        (RunError("/secret/jobs.db is full"), 507, "server_error", "storage_full"),
        (OSError("/secret"), 507, "server_error", "storage_full"),
        (ValueError("secret"), 500, "server_error", "server_error"),
    ],
)
def test_every_error_has_the_same_shape_and_tells_nothing_of_the_inside(error, status, kind, code):
    app = FastAPI()
    add_problems(app)

    @app.get("/")
    def fail():
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    problem = answer.json()["error"]
    assert (answer.status_code, problem["type"], problem["code"]) == (status, kind, code)
    assert set(problem) == {"message", "type", "code", "param"}
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status in (429, 503))
