import io
import json
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from serving import ANN, Server, settings_in
from websockets.sync.client import connect

from patchworld.serve.store import MASTER
from patchworld.video import read
from patchworld.video.images import webp


@contextmanager
def socket(world, **start):
    with connect(world.url.replace("http", "ws") + "/v1/videos/play") as player:
        player.send(json.dumps({"key": ANN, "prompt": "a red ball", "size": "16x16", "steps": 1, "seed": 0, **start}))
        yield player


def picture(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def said(player):
    """The next message in words."""
    return next(message for message in iter(lambda: player.recv(timeout=60), None) if isinstance(message, str))


def test_what_was_played_is_dreamed_again_as_a_video(world_that_dreams):
    world, shown, action_of = world_that_dreams, [], {}
    with socket(world, seed=None, size="32x32") as player:
        seed = json.loads(player.recv(timeout=60))["seed"]
        while len(shown) < 13:
            told = player.recv(timeout=60)
            if isinstance(told, bytes):
                shown.append(picture(told))
            else:
                action_of[json.loads(told)["frame"]] = json.loads(told)["action"]
            if len(shown) == 2:
                player.send(json.dumps({"action": "push left"}))
    assert list(action_of.values()) == ["push left"]
    actions, now = [], "none"
    for frame in range(1, len(shown)):
        now = action_of.get(frame, now)
        actions.append(now)
    assert 0 < actions.count("push left") < 12
    body = {"prompt": "a red ball", "actions": actions, "size": "32x32", "seed": seed, "steps": 1}
    kept = made(world, body)
    assert np.array_equal([picture(webp(frame)) for frame in kept], shown)
    assert (made(world, {**body, "actions": ["none"] * 12})[-1] != kept[-1]).any()


def made(world, body):
    """The frames of the video that POST /simulate makes."""
    ask = urllib.request.Request(
        f"{world.url}/v1/videos/simulate",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {ANN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(ask, timeout=60) as answer:
        id = json.load(answer)["id"]
    while (job := world.queue.find(id)).finished is None:
        time.sleep(0.05)
    assert job.status == "completed", job.error_message
    return read(world.store.file(job, MASTER)).frames


def test_a_world_answers_to_actions_and_one_may_be_played_at_once(world):
    with socket(world) as player:
        assert json.loads(player.recv(timeout=60)) == {
            "actions": ["none", "push left"],
            "fps": 4.0,
            "seed": 0,
        }
        assert picture(player.recv(timeout=60)).shape == (16, 16, 3)
        with socket(world) as other:
            assert "as many worlds" in json.loads(other.recv(timeout=20))["error"]["message"]
        player.send(json.dumps({"action": "fly"}))
        assert json.loads(said(player))["action"] == "fly"
        told = said(player)
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
