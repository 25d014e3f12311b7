import json

from tiny import moving_square

from patchworld.canvas import Canvas, Condition
from patchworld.generate import Sampling
from patchworld.recipe import follow_recipe, write_recipe


def test_a_recipe_gives_its_canvas_and_sampling_back():
    wanted = Canvas("a ball", 9, (48, 32), 6.0, "fog")
    recipe = json.loads(json.dumps(write_recipe(wanted, Sampling(5, 7, 2.5, "euler"), "abc")))
    canvas, sampling = follow_recipe(recipe)
    assert vars(canvas) == vars(wanted)
    assert sampling == Sampling(5, 7, 2.5, "euler")
    assert recipe["model"] == "abc"


def test_a_canvas_with_conditions_has_no_recipe():
    given = Canvas("a ball", 9, (32, 32), conditions=(Condition(moving_square(1)),))
    assert write_recipe(given, Sampling(), "abc") is None
