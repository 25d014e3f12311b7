"""What every verb promises, whatever the weights have learned."""

import json

import numpy as np
import pytest
from tiny import moving_square

from patchworld import verbs
from patchworld.errors import InputError
from patchworld.generate import Sampling
from patchworld.recipe import follow_recipe
from patchworld.video import Clip, read, resize

QUICK = Sampling(seed=3, steps=2)
A = moving_square(13)
B = moving_square(9, color=(20, 40, 230))


def dreamed(model, canvas, sampling=QUICK):
    return model.dream(canvas, sampling).frames


def picture(value, size=(32, 32)):
    return Clip(np.full((1, size[1], size[0], 3), value, np.uint8), 1.0)


def test_animate_shows_each_image_at_its_time(tiny_model):
    canvas = verbs.animate(
        picture(40), "a red ball", frames=17, last=picture(200), keyframes=[(1.0, picture(120))], fps=8
    )
    frames = dreamed(tiny_model, canvas)
    assert frames.shape == (17, 32, 32, 3)
    for number, value in ((0, 40), (8, 120), (16, 200)):
        assert (frames[number] == value).all()
    assert not (frames[4] == 40).all()


def test_extend_keeps_the_clip_and_goes_on_after_it_or_ends_in_its_first_frame(tiny_model):
    after = dreamed(tiny_model, verbs.extend(A, "left", seconds=1))
    assert len(after) == 13 + 8
    assert np.array_equal(after[:13], A.frames)
    before = dreamed(tiny_model, verbs.extend(A, "left", seconds=0.75, backward=True))
    assert len(before) == 6 + 13
    assert np.array_equal(before[6:], A.frames)


def test_a_loop_from_a_clip_keeps_it_and_sees_its_start_at_the_end(tiny_model):
    frames = dreamed(tiny_model, verbs.loop("left", clip=A, seconds=0.9))
    assert len(frames) == 13 + 8  # whole blocks
    assert np.array_equal(frames[:13], A.frames)
    other = Clip(np.concatenate([B.frames[:1], A.frames[1:]]), 8)
    assert not np.array_equal(dreamed(tiny_model, verbs.loop("left", clip=other, seconds=0.9))[13:], frames[13:])


def test_a_loop_from_words_is_a_circle():
    canvas = verbs.loop("left", seconds=1.9, size=(32, 32))
    assert (canvas.frames, canvas.circular, canvas.joins()) == (16, True, [0])


def test_connect_keeps_both_clips_and_reaches_the_second_ones_first_frame(tiny_model):
    frames = dreamed(tiny_model, verbs.connect(A, B, seconds=0.8))
    assert len(frames) == 13 + 8 + 9
    assert np.array_equal(frames[:13], A.frames)
    assert np.array_equal(frames[21:], B.frames)
    ways = [dreamed(tiny_model, verbs.connect(A, end))[13:29] for end in (B, A)]
    assert not np.array_equal(*ways)


def test_blend_goes_from_one_clip_to_the_other_and_keeps_what_is_seen_alone(tiny_model):
    frames = dreamed(tiny_model, verbs.blend(A, B, seconds=0.75))
    assert len(frames) == 13 + 9 - 6
    assert np.array_equal(frames[:8], A.frames[:8])
    assert np.array_equal(frames[12:], B.frames[5:])
    late = verbs.blend(A, B, seconds=1, curve=((0, 0), (0.5, 0), (1, 1)))
    assert late.given().tolist() == [True] * 9 + [False] * 3 + [True] * 2
    assert np.array_equal(dreamed(tiny_model, verbs.blend(A, B, strength=0))[:4], A.frames[:4])


def test_retake_changes_only_its_span(tiny_model):
    frames = dreamed(tiny_model, verbs.retake(A, "left", start=0.5, end=1))
    changed = (frames != A.frames).any((1, 2, 3))
    assert changed.tolist() == [False] * 4 + [True] * 4 + [False] * 5


def test_inpaint_changes_only_what_its_mask_paints(tiny_model):
    mask = picture(0)
    mask.frames[:, 4:20, 10:24] = 255
    frames = dreamed(tiny_model, verbs.inpaint(A, mask, "left"))
    changed = (frames != A.frames).any(-1)
    assert not changed[:, mask.frames[0, ..., 0] == 0].any()
    assert changed[:, mask.frames[0, ..., 0] == 255].mean() > 0.5


def test_a_moving_mask_changes_each_frame_where_it_is(tiny_model):
    mask = Clip(np.zeros((13, 32, 32, 3), np.uint8), 8)
    mask.frames[6:9, :, :16] = 255
    frames = dreamed(tiny_model, verbs.inpaint(A, mask, "left"))
    changed = (frames != A.frames).any(-1)
    assert changed.any((1, 2)).tolist() == [False] * 6 + [True] * 3 + [False] * 4
    assert not changed[:, :, 16:].any()


def test_outpaint_keeps_the_clip_at_its_place(tiny_model):
    frames = dreamed(tiny_model, verbs.outpaint(A, "left", size=(64, 48)))
    assert frames.shape == (13, 48, 64, 3)
    assert np.array_equal(frames[:, 0:32, 16:48], A.frames)
    corner = dreamed(tiny_model, verbs.outpaint(A, "left", size=(64, 48), place=(1, 1)))
    assert np.array_equal(corner[:, 16:48, 32:64], A.frames)
    smaller = verbs.outpaint(A, "left", size=(48, 16))
    assert smaller.conditions[0].mask.sum() == 16 * 16


def test_restyle_goes_from_hardly_anything_to_all(tiny_model):
    changes = []
    for strength in (0.0, 0.1, 0.5, 1.0):
        frames = dreamed(tiny_model, verbs.restyle(A, "left", strength=strength), Sampling(3, 8))
        changes.append(np.abs(frames.astype(int) - A.frames).mean())
    assert changes[0] == 0
    assert changes == sorted(changes)
    nothing = verbs.generate("left", frames=13, size=(32, 32))
    assert np.array_equal(frames, dreamed(tiny_model, nothing, Sampling(3, 8)))


def test_refine_makes_the_same_video_larger():
    canvas = verbs.refine(A, size=(64, 64), strength=0.3)
    (condition,) = canvas.conditions
    assert np.array_equal(condition.clip.frames, resize(A, (64, 64)).frames)
    assert (canvas.size, condition.strength) == ((64, 64), 0.7)


def test_a_storyboard_shows_its_cards_at_their_times(tiny_model):
    cards = [
        {"at": 0, "prompt": "a red ball"},
        {"at": 1, "clip": picture(200)},
        {"at": 1.5, "prompt": "left", "clip": B, "cut": False},
    ]
    canvas = verbs.storyboard(cards, seconds=2, size=(32, 32), things="on grass")
    assert canvas.prompts == ((0, "a red ball, on grass"), (8, "a red ball, on grass"), (12, "left, on grass"))
    assert canvas.cuts == (8,)
    frames = dreamed(tiny_model, canvas)
    assert len(frames) == 16
    assert (frames[8] == 200).all()
    assert np.array_equal(frames[12:], B.frames[:4])


def test_simulate_goes_on_from_the_past_for_as_many_frames_as_there_are_actions():
    canvas = verbs.simulate("a red ball", actions=["left"] * 5, past=A)
    assert (canvas.frames, canvas.actions) == (18, ("",) * 13 + ("left",) * 5)
    assert verbs.simulate(actions=["left"] * 5).frames == 6  # the first frame is dreamed
    assert verbs.simulate(actions=iter(["left"]), seconds=2).frames == 17


def test_other_sizes_and_rates_are_fitted_without_stretching_and_said_aloud():
    wide = moving_square(6, (96, 32), fps=4)
    with pytest.warns(UserWarning, match="96x32 is cropped to the shape of 32x32; fit pad keeps all"):
        canvas = verbs.connect(A, Clip(wide.frames, 8))
    assert np.array_equal(canvas.conditions[1].clip.frames, wide.frames[:, :, 32:64])
    with pytest.warns(UserWarning, match="4 frames a second is shown at 8"):
        canvas = verbs.connect(A, wide, fit="pad")
    assert canvas.conditions[1].clip.num_frames == 12
    assert (canvas.conditions[1].clip.frames[:, :10] == 0).all()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("animate", {"image": A}, "13 frames is no image: extend it"),
        ("animate", {"image": picture(0), "keyframes": [(9.0, picture(0))]}, "a keyframe at 9 s is not in a video of"),
        ("extend", {"clip": A, "seconds": 0.0}, "seconds=0 is too short: use at least one frame, 0.125 s"),
        ("extend", {"clip": A, "seconds": float("inf")}, "seconds=inf"),
        ("extend", {"clip": A, "seconds": "2"}, "extend: seconds=2: .*number"),
        ("extend", {"clip": "a.mp4"}, "extend: clip=a.mp4: .*Clip"),
        ("blend", {"a": A, "b": B, "seconds": 5.0}, "seconds=5 is longer than the shorter clip, 1.125 s"),
        ("blend", {"a": A, "b": B, "curve": [(0.0, 0.0), (0.0, 1.0)]}, "give .* with growing times and shares"),
        ("blend", {"a": A, "b": B, "strength": 2.0}, "strength=2 is out of range: use 0 to 1"),
        ("retake", {"clip": A, "start": 1.0, "end": 1.0}, "no frame lies from 1 to 1 s: give a span within 0 and"),
        ("retake", {"clip": A, "start": 1.0, "end": 9.0}, "no frame lies from 1 to 9 s"),
        ("inpaint", {"clip": A, "mask": picture(0)}, "the mask has no white pixel"),
        ("outpaint", {"clip": A, "size": (32, 32)}, "nothing is left to dream"),
        ("outpaint", {"clip": A, "size": (64, 32), "place": (2.0, 0.0)}, "place=2 is out of range"),
        ("restyle", {"clip": A, "prompt": "", "strength": -1.0}, "strength=-1 is out of range"),
        ("storyboard", {"cards": [], "seconds": 2.0}, "cards at  s: the first one is at 0"),
        ("storyboard", {"cards": [{"at": 0}, {"at": 9.0}], "seconds": 2.0}, "cards at 0, 9 s: .* all before 2"),
        ("storyboard", {"cards": [{"at": 0, "text": "x"}], "seconds": 2.0}, "cards.0.text=x: .*not permitted|unknown"),
        ("simulate", {"actions": []}, "no actions: give at least one"),
    ],
)
def test_impossible_requests_are_refused_with_value_rule_and_remedy(name, arguments, message):
    with pytest.raises(InputError, match=message):
        verbs.VERBS[name](**arguments)


def replayed(model, clip):
    canvas, sampling = follow_recipe(json.loads(json.dumps(clip.recipe)))
    return model.dream(canvas, sampling).frames


def test_the_output_of_any_verb_can_be_made_again_from_its_recipe(tiny_model, tmp_path):
    a, b, one, white = (
        read(clip.save(tmp_path / name))
        for clip, name in ((A, "a.mkv"), (B, "b.mp4"), (picture(40), "one.png"), (picture(255), "white.png"))
    )
    made = [
        verbs.generate("left", frames=9, size=(32, 32), changes=[(5, "right")], cuts=[4]),
        verbs.animate(one, frames=5, keyframes=[(0.25, one)]),
        verbs.extend(a, seconds=0.5, backward=True),
        verbs.loop(clip=a, seconds=0.5),
        verbs.connect(a, b, seconds=0.5),
        verbs.blend(a, b, curve=[(0.0, 0.0), (1.0, 1.0)]),
        verbs.retake(a, "left", start=0.5, end=1.0),
        verbs.inpaint(a, white, "left"),
        verbs.outpaint(a, size=(48, 32), place=(0.0, 0.0)),
        verbs.restyle(a, "left", strength=0.5),
        verbs.refine(b, size=(48, 48)),
        verbs.storyboard([{"at": 0, "prompt": "left"}, {"at": 0.5, "clip": one}], seconds=1, size=(32, 32)),
        verbs.simulate("left", actions=["", ""], past=one),
    ]
    assert {canvas.call[0] for canvas in made} == set(verbs.VERBS)
    for canvas in made:
        clip = tiny_model.dream(canvas, QUICK)
        assert np.array_equal(replayed(tiny_model, clip), clip.frames), canvas.call[0]
