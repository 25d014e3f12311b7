import math

import pytest
from serving import ANN, Server, settings_in

from patchworld.errors import InputError, RunError
from patchworld.serve.loadtest import Load, Seen, run, table

BODY = {"prompt": "a red ball", "seconds": 1, "size": "32x32", "steps": 1}


def test_percentiles_of_known_times():
    seen = Seen([0.001 * number for number in range(1, 101)])
    assert [round(1000 * seen.percentile(share)) for share in (0.5, 0.9, 0.99, 1)] == [50, 90, 99, 100]
    assert math.isnan(Seen().percentile(0.5))
    line = table({"status": seen}, 10).splitlines()[-1]
    assert line == "| status | 100 | 10.0 | 50 | 90 | 99 | 100 | 0 | 0 |"


def test_a_load_is_seen_from_outside_and_leaves_nothing_behind(server):
    before = {look.job.id for look in server.queue.page("ann", limit=100)[0]}
    seen = run(Load(server.url, BODY, ANN, clients=2, pollers=3, every=0.1, seconds=6))
    assert {"create", "status", "health", "a whole video", "content", "list"} <= set(seen)
    assert sum(one.errors for one in seen.values()) == 0
    assert len(seen["status"].times) > 50
    assert {look.job.id for look in server.queue.page("ann", limit=100)[0]} == before


def test_a_full_queue_is_refused_and_no_error(tiny_model, tmp_path):
    with Server(settings_in(tmp_path, keys={}), tiny_model, working=False) as idle:
        seen = run(Load(idle.url, BODY, clients=5, seconds=2))
    assert seen["create"].refused >= 2  # three of an owner may wait, and the first asked before them
    assert seen["create"].errors == 0


def test_no_server_a_wrong_key_and_a_wrong_body_are_said(server):
    with pytest.raises(RunError, match="does not answer"):
        run(Load("http://127.0.0.1:1", BODY))
    with pytest.raises(InputError, match="set OPENAI_API_KEY"):
        run(Load(server.url, BODY, "a-key-that-nobody-has"))
    with pytest.raises(InputError, match="refuses what is asked"):
        run(Load(server.url, {"prompt": ""}, ANN))
    with pytest.raises(InputError, match="no address"):
        run(Load("localhost", BODY))
