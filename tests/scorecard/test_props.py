import pytest

from patchworld.playroom import play, sample_scene
from patchworld.playroom.scene import Scene
from patchworld.scorecard import props, read
from patchworld.scorecard.questions import Judge
from patchworld.video import Clip

JUDGES = {
    "bites a pie": (props.judge_bite, props.judge_stays_bitten),
    "blows out a candle": (props.judge_blow, props.judge_stays_out),
    "knocks over a tower": (props.judge_topple, props.judge_stays_down),
}


@pytest.fixture(scope="module", params=JUDGES)
def happening(request: pytest.FixtureRequest) -> tuple[Clip, Scene, Judge, Judge]:
    """A clip in which something happens to a prop, and who judges it."""
    scene = sample_scene(4711, 1, frames=13, size=(64, 64), event=request.param, camera="still")
    return play(scene).clip, scene, *JUDGES[request.param]


def test_what_happens_to_a_prop_is_seen_and_lasts(happening: tuple[Clip, Scene, Judge, Judge]) -> None:
    clip, scene, happens, stays = happening
    seen = read(clip)
    assert happens(seen, scene).right, happens(seen, scene)
    assert stays(seen, scene).right, stays(seen, scene)


def test_backwards_it_does_not_happen(happening: tuple[Clip, Scene, Judge, Judge]) -> None:
    clip, scene, happens, stays = happening
    backwards = read(Clip(clip.frames[::-1].copy(), clip.fps))
    assert not happens(backwards, scene).right
    assert not stays(backwards, scene).right


def test_what_heals_and_breaks_again_has_not_lasted(happening: tuple[Clip, Scene, Judge, Judge]) -> None:
    clip, scene, happens, stays = happening
    healed = clip.frames[[0, 1, 2, 12, 12, 12, 0, 0, 0, 12, 12, 12]]
    seen = read(Clip(healed, clip.fps))
    assert happens(seen, scene).right
    assert not stays(seen, scene).right


def test_a_clip_without_the_prop_shows_nothing_of_the_kind() -> None:
    scene = sample_scene(4711, 2, frames=13, size=(64, 64), event="rolls to the left", camera="still")
    seen = read(play(scene).clip)
    assert set(props.pie_states(seen)) == set(props.candle_states(seen)) == {""}
