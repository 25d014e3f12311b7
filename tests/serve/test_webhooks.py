import http.server
import json
import threading

import openai
import pytest

from patchworld.errors import InputError
from patchworld.serve.queue import Queue
from patchworld.serve.webhooks import sign, tell_next

SECRET = "whsec_c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2g="


@pytest.fixture
def ear():
    """A server that keeps what it hears; it answers the statuses it is told, then 200."""
    heard, statuses = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", heard, statuses
        server.shutdown()
        thread.join()


def test_the_official_client_accepts_the_signature_until_somebody_hears(tmp_path, ear):
    url, heard, statuses = ear
    statuses.append(500)
    now = [1000.0]
    queue = Queue(tmp_path / "jobs.db", clock=lambda: now[0])
    job = queue.submit("ann", {}, tell=True)
    queue.complete(queue.claim())
    assert tell_next(queue, url, SECRET)
    assert not tell_next(queue, url, SECRET)
    now[0] += 100
    assert tell_next(queue, url, SECRET)
    now[0] += 10_000
    assert not tell_next(queue, url, SECRET)
    client = openai.OpenAI(api_key="x", webhook_secret=SECRET)
    events = [client.webhooks.unwrap(body, headers) for body, headers in heard]
    assert [event.type for event in events] == ["video.completed"] * 2
    assert events[0].id == events[1].id
    assert json.loads(heard[0][0])["data"]["id"] == job.id
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(heard[0][0].replace(b"completed", b"forgotten"), heard[0][1])


def test_a_secret_of_another_kind_is_refused():
    with pytest.raises(InputError, match="whsec_"):
        sign("secret", "evt", 0, b"")
