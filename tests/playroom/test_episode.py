import json

import numpy as np
import pytest

from patchworld.playroom.episode import Episode, play
from patchworld.playroom.grammar import sample_scene


@pytest.fixture(scope="module")
def fall() -> Episode:
    return play(sample_scene(18, 0, frames=17, size=(112, 64), event="falls and bounces", camera="still"))


def test_an_episode_has_one_state_and_one_action_per_frame(fall: Episode) -> None:
    assert fall.clip.frames.shape == (17, 64, 112, 3)
    assert fall.clip.fps == 8
    assert len(fall.actions) == len(fall.state["frames"]) == 17


def test_the_state_survives_json(fall: Episode) -> None:
    assert json.loads(json.dumps(fall.state))["event"] == "falls and bounces"


def test_the_state_holds_the_fall(fall: Episode) -> None:
    frames = fall.state["frames"]
    assert fall.state["gravity"] == 9.81
    assert frames[0]["position"][0][2] > frames[3]["position"][0][2]
    assert frames[0]["contacts"] == []
    assert any(["ground", "thing0"] in frame["contacts"] for frame in frames)


def test_boxes_surround_centres_and_stay_close_to_what_is_seen(fall: Episode) -> None:
    for frame in fall.state["frames"]:
        place = frame["picture"][0]
        left, top, right, bottom = place["box"]
        assert left < place["centre"][0] < right
        assert top < place["centre"][1] < bottom
        assert 0.3 < frame["visible_pixels"]["thing0"] / ((right - left) * (bottom - top)) <= 1.05


def test_the_camera_in_the_state_is_a_unit_frame(fall: Episode) -> None:
    camera = fall.state["frames"][0]["camera"]
    assert np.isclose(np.linalg.norm(camera["forward"]), 1, atol=1e-3)
    assert np.isclose(np.dot(camera["forward"], camera["up"]), 0, atol=1e-3)
