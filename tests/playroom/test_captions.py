import re
from dataclasses import replace

import pytest

from patchworld.playroom.captions import COLOURS_ZH, SHAPES_ZH, captions, thing_en
from patchworld.playroom.grammar import CAMERAS, EVENTS, sample_scene
from patchworld.playroom.scene import Prop, Scene, Thing


def texts(scene: Scene, language: str) -> list[str]:
    return [caption.text for caption in captions(scene) if caption.language == language]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(13, i, frames=17, size=(64, 64)) for i in range(60)]


def test_every_clip_has_two_languages_and_two_lengths(scenes: list[Scene]) -> None:
    for scene in scenes:
        kinds = sorted((c.language, c.detail) for c in captions(scene) if c.detail != "setting")
        assert kinds == [("en", "detailed"), ("en", "short"), ("en", "short"), ("zh", "detailed"), ("zh", "short")]


def test_captions_name_the_things_in_the_scene(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.things:
            assert all(thing.name in text for text in texts(scene, "en"))
            assert all(f"{COLOURS_ZH[thing.colour]}的{SHAPES_ZH[thing.shape]}" in text for text in texts(scene, "zh"))


def test_captions_name_nothing_that_is_not_there(scenes: list[Scene]) -> None:
    for scene in scenes:
        there = {f"{t.colour} {t.shape}" for t in scene.things}
        named = re.findall(rf"({'|'.join(COLOURS_ZH)}) ({'|'.join(SHAPES_ZH)})", " ".join(texts(scene, "en")).lower())
        assert {f"{colour} {shape}" for colour, shape in named} == there


def test_captions_say_ground_and_light_of_the_scene_or_nothing(scenes: list[Scene]) -> None:
    words = {"grass", "sand", "stone", "snow"}
    for scene in scenes:
        for text in texts(scene, "en"):
            assert words & set(re.findall(r"\w+", text)) <= {scene.ground}
            assert ("sunset" in text) <= (scene.light == "sunset")
            assert ("at night" in text.lower()) <= (scene.light == "night")


def test_a_moving_camera_is_always_mentioned_and_a_still_one_never_moves(scenes: list[Scene]) -> None:
    for scene in scenes:
        for text in texts(scene, "en"):
            said = [camera for camera in CAMERAS if camera != "still" and f"camera {camera}" in text]
            assert said == ([] if scene.camera == "still" else [scene.camera])


def test_a_cut_is_always_mentioned(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert all(("a cut to" in text) == (len(scene.shots) > 1) for text in texts(scene, "en"))
        assert all(("切换" in text) == (len(scene.shots) > 1) for text in texts(scene, "zh"))


def test_relations_are_true_at_the_start(scenes: list[Scene]) -> None:
    checked = 0
    for scene in scenes:
        other = scene.other
        if not isinstance(other, Thing) or not scene.relation:
            continue
        (x, y, z), (other_x, other_y, other_z) = scene.things[0].position, other.position
        true = {
            "to the left of": x < other_x - 0.5,
            "to the right of": x > other_x + 0.5,
            "in front of": y < other_y - 0.5,
            "behind": y > other_y + 0.5,
            "on top of": z > other_z + 0.5,
        }
        assert true[scene.relation]
        checked += 1
    assert checked >= 8


@pytest.mark.parametrize("event", EVENTS)
def test_no_caption_is_empty_or_holds_a_gap(event: str) -> None:
    for index in range(6):
        for caption in captions(sample_scene(14, index, frames=17, size=(64, 64), event=event)):
            assert len(caption.text) > 3
            assert "  " not in caption.text
            assert "None" not in caption.text
            assert caption.text == caption.text.strip()


def test_rolling_says_the_direction_it_rolls() -> None:
    for side in ("left", "right"):
        scene = sample_scene(15, 0, frames=17, size=(64, 64), event=f"rolls to the {side}", camera="still")
        assert all(re.search(rf"rolls (to the )?{side}", text) for text in texts(scene, "en"))
        assert all({"left": "向左滚", "right": "向右滚"}[side] in text for text in texts(scene, "zh"))


def test_a_picture_is_not_said_to_move() -> None:
    moves = ("rolls", "falls", "drops", "bounces", "hits", "knocks", "pushed", "camera", "takes", "blow")
    for index in range(20):
        scene = sample_scene(16, index, frames=1, size=(64, 64))
        assert not any(word in text for text in texts(scene, "en") for word in moves)


def test_a_detailed_caption_tells_the_pushes_in_their_order() -> None:
    scene = sample_scene(17, 0, frames=17, size=(64, 64), event="is pushed")
    actions = ("push left", "push left", "none", "jump", "none", "push away") + ("none",) * 11
    detailed = captions(replace(scene, actions=actions))[2].text
    assert "is pushed to the left, then jumps, then is pushed away." in detailed


def test_a_setting_leaves_what_happens_to_the_actions() -> None:
    moves = ("push", "jump", "推", "跳", "跃")
    for index in range(8):
        scene = sample_scene(17, index, frames=17, size=(64, 64), event="is pushed")
        settings = [caption for caption in captions(scene) if caption.detail == "setting"]
        assert sorted(caption.language for caption in settings) == ["en", "en", "zh"]
        assert all(thing_en(scene.things[0]) in caption.text for caption in settings[:2])
        assert not any(move in caption.text for move in moves for caption in settings)
    assert all(c.detail != "setting" for c in captions(sample_scene(17, 0, frames=17, size=(64, 64), event="rests")))


def test_english_articles_and_plurals() -> None:
    assert thing_en(Thing("ball", "orange", 1.0, (0, 0, 0.5))) == "an orange ball"
    assert thing_en(Thing("cube", "red", 1.0, (0, 0, 0.5)), 3) == "three red cubes"
    assert thing_en(Prop("tower", (0, 0), (0.5, 0.5, 2.0), colour="blue")) == "a tower of blue blocks"


def test_several_phrasings_are_used(scenes: list[Scene]) -> None:
    rests = {
        re.sub(
            r"red|green|blue",
            "",
            captions(sample_scene(s, 0, frames=9, size=(64, 64), event="rolls to the left"))[0].text,
        )
        for s in range(12)
    }
    assert len(rests) > 5
