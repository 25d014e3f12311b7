import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import moving_square

from patchworld import verbs
from patchworld.canvas import Canvas, Condition
from patchworld.errors import InputError
from patchworld.generate import Sampling
from patchworld.recipe import find_clip, fingerprint, follow_recipe, write_recipe
from patchworld.video import Clip, fit, read


def through_json(canvas, sampling=None):
    return json.loads(json.dumps(write_recipe(canvas, sampling or Sampling(), "abc")))


def test_a_recipe_gives_its_canvas_and_sampling_back():
    wanted = Canvas("a ball", 9, (48, 32), 6.0, "fog", changes=((4, "a cube"),), cuts=(4,))
    recipe = through_json(wanted, Sampling(5, 7, 2.5, "euler", 24, 8))
    canvas, sampling = follow_recipe(recipe)
    assert {**vars(canvas), "call": None} == vars(wanted)
    assert sampling == Sampling(5, 7, 2.5, "euler", 24, 8)
    assert (recipe["model"], recipe["prompt"]) == ("abc", "a ball")


def test_conditions_placed_by_hand_and_actions_to_come_are_told_but_cannot_be_followed():
    given = Canvas("a ball", 9, (32, 32), conditions=(Condition(moving_square(1)),))
    for canvas in (given, verbs.simulate(actions=iter(["typed"]))):
        recipe = through_json(canvas)
        assert (recipe["verb"], recipe["model"]) == ("by hand", "abc")
        with pytest.raises(InputError, match="given by hand, which no recipe can tell"):
            follow_recipe(recipe)
    assert through_json(given)["arguments"] == {"clips": [{"sha256": fingerprint(moving_square(1))}]}


def test_given_clips_are_found_by_their_file_and_known_by_their_content(tmp_path):
    path = moving_square(9).save(tmp_path / "a.mkv")
    clip = fit(read(path, start=0.5), (48, 16), "pad")
    recipe = through_json(replace(verbs.extend(clip, "on"), negative="fog"))
    canvas, _ = follow_recipe(recipe)
    assert np.array_equal(canvas.conditions[0].clip.frames, clip.frames)
    assert canvas.negative == "fog"

    moving_square(9, color=(0, 0, 255)).save(path)
    with pytest.raises(InputError, match=r"a\.mkv is not what the clip was made from any more: put the file back"):
        follow_recipe(recipe)
    path.unlink()
    with pytest.raises(InputError, match=r"cannot be used: .*a\.mkv does not exist"):
        follow_recipe(recipe)


def test_a_clip_that_was_no_file_can_still_be_handed_over():
    clip = moving_square(5)
    recipe = through_json(verbs.extend(clip))
    with pytest.raises(InputError, match="made from a clip that was no file"):
        follow_recipe(recipe)
    named = []
    canvas, _ = follow_recipe(recipe, lambda name: named.append(name) or clip)
    assert canvas.conditions[0].clip is clip
    assert named == [{"sha256": fingerprint(clip)}]


def test_the_fingerprint_tells_frames_rates_and_sizes_apart():
    clip = moving_square(4, (32, 16))
    others = [moving_square(4, (32, 16), fps=9), Clip(clip.frames.reshape(4, 32, 16, 3), 8), moving_square(3, (32, 16))]
    assert len({fingerprint(other) for other in [clip, *others]}) == 4
    assert fingerprint(clip) == fingerprint(moving_square(4, (32, 16)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verb": "exec"}, "unknown verb 'exec': known are generate, animate"),
        ({"arguments": {}}, "missing a required argument: 'prompt'"),
        ({"arguments": {"prompt": "x", "speed": 3}}, "speed"),
        ({"arguments": {"prompt": {"sha256": "0", "path": "/etc/passwd"}}}, "/etc/passwd"),
        ({"window": 0}, "window=0"),
    ],
)
def test_a_recipe_that_anyone_may_have_written_is_refused_where_it_makes_no_sense(change, message):
    recipe = {**through_json(verbs.generate("x")), **change}
    with pytest.raises(InputError, match=f"the recipe in this file cannot be used: .*{message}"):
        follow_recipe(recipe)


def test_find_clip_reads_what_is_named_though_it_is_another():
    with pytest.raises(InputError, match="no file"):
        find_clip({"sha256": "0"})
