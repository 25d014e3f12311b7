import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from serving import ANN

from patchworld.serve import connection

HEAD = f"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ANN}\r\n".encode()
BODY = b"Content-Type: application/json\r\nContent-Length: 200\r\n\r\n"


@pytest.fixture
def dial(idle, monkeypatch):
    """A new connection to a server of little patience."""
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    monkeypatch.setattr(connection, "LEAST", 100)
    wires = []

    def call():
        place = urlsplit(idle.url)
        wires.append(socket.create_connection((place.hostname, place.port), 20))
        return wires[-1]

    yield call
    for wire in wires:
        wire.close()


def heard(wire):
    """What the server says until it hangs up."""
    answer = b""
    try:
        while piece := wire.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


@pytest.mark.parametrize("said", [b"", HEAD + b"X-Half: ", HEAD + BODY + b'{"prompt": '], ids=["none", "head", "body"])
def test_who_does_not_finish_a_request_is_hung_up_on(dial, said):
    wire = dial()
    wire.sendall(said)
    started = time.monotonic()
    assert heard(wire) == b""
    assert time.monotonic() - started < 10


def test_who_drips_is_hung_up_on_too(dial):
    wire = dial()
    wire.sendall(HEAD)
    started = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - started < 10:
            wire.sendall(b"X: y\r\n")
            time.sleep(0.1)
    assert time.monotonic() - started < 10


def test_who_says_half_of_a_second_request_is_hung_up_on_after_the_answer_to_the_first(dial):
    wire = dial()
    wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert wire.recv(65536).startswith(b"HTTP/1.1 200")
    wire.sendall(HEAD)
    started = time.monotonic()
    assert b"HTTP/1.1" not in heard(wire)
    assert time.monotonic() - started < 5  # uvicorn's own limit for the time between requests is longer


def test_a_slow_body_that_goes_on_is_waited_for(dial):
    wire = dial()
    body = b'{"prompt": "a red ball"}'.ljust(2000)
    wire.sendall(HEAD + b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n")
    for start in range(0, 2000, 100):
        wire.sendall(body[start : start + 100])
        time.sleep(0.1)
    assert heard(wire).startswith(b"HTTP/1.1 200")
