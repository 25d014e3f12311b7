import io
import json
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from serving import ANN, Server, settings_in
from websockets.sync.client import connect


@contextmanager
def socket(world, **start):
    with connect(world.url.replace("http", "ws") + "/v1/videos/play") as player:
        player.send(json.dumps({"key": ANN, "prompt": "a red ball", "size": "16x16", "steps": 1, "seed": 0, **start}))
        yield player


def picture(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_world_answers_to_actions_and_one_may_be_played_at_once(world):
    with socket(world) as player:
        assert json.loads(player.recv(timeout=60)) == {"actions": ["none", "push left"], "fps": 4.0}
        assert picture(player.recv(timeout=60)).shape == (16, 16, 3)
        with socket(world) as other:
            assert "as many worlds" in json.loads(other.recv(timeout=20))["error"]["message"]
        player.send(json.dumps({"action": "push left"}))
        assert all(isinstance(player.recv(timeout=60), bytes) for _ in range(5))
        player.send(json.dumps({"action": "fly"}))
        told = next(message for message in iter(lambda: player.recv(timeout=60), None) if isinstance(message, str))
        assert "unknown action 'fly': this model knows none, push left" in json.loads(told)["error"]["message"]


def test_no_world_is_played_where_all_is_looked_at_first(tiny_model, tmp_path):
    with (
        Server(settings_in(tmp_path / "served", moderation=("true",)), tiny_model, working=False) as world,
        socket(world) as player,
    ):
        assert "no world can be played live" in json.loads(player.recv(timeout=20))["error"]["message"]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"key": "wrong"}, "API key"),
        ({"size": "1x1"}, "size"),
        ({"size": "20x12"}, "at least 16"),
        ({"steps": 1000}, "steps"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_beginning_is_refused(world, start, message):
    with socket(world, **start) as player:
        assert message in json.loads(player.recv(timeout=20))["error"]["message"]
