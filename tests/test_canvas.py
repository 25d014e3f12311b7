import numpy as np
import pytest
import torch

from patchworld.canvas import Canvas, Condition, compose, lay_out, token_strength
from patchworld.errors import InputError
from patchworld.shapes import Grid, Shape
from patchworld.video import Clip

GRID = Grid(4, 16)


def grey(value, frames=1, size=(32, 32)):
    return Clip(np.full((frames, size[1], size[0], 3), value, np.uint8), 8)


def test_an_empty_canvas_is_dreamed_everywhere(tiny_model):
    layout = lay_out(
        Canvas("a ball", 17, (32, 48)), tiny_model.autoencoder, tiny_model.patch, tiny_model.latent_channels
    )
    assert layout.pack.shapes == (Shape(5, 3, 2),)
    assert torch.equal(layout.cap, torch.ones(30))


def test_a_first_image_is_given_and_nothing_else(tiny_model):
    canvas = Canvas("", 9, (32, 32), conditions=(Condition(grey(200)),))
    layout = lay_out(canvas, tiny_model.autoencoder, tiny_model.patch, tiny_model.latent_channels)
    assert layout.cap.view(3, 4).tolist() == [[0] * 4, [1] * 4, [1] * 4]


def test_a_strength_between_gives_softly():
    strength = np.zeros((5, 32, 32), np.float32)
    strength[1:, :16] = 0.75
    tokens = token_strength(strength, Shape(5, 32, 32), GRID)
    assert tokens.tolist() == [[[0, 0], [0, 0]], [[0.75, 0.75], [0, 0]]]


def test_a_token_is_given_only_where_all_of_its_pixels_are():
    strength = np.zeros((1, 32, 32), np.float32)
    strength[:, :17, :31] = 1
    assert token_strength(strength, Shape(1, 32, 32), GRID).tolist() == [[[1, 0], [0, 0]]]


def test_what_is_not_given_holds_the_nearest_given_frame():
    canvas = Canvas(
        "", 7, (8, 8), conditions=(Condition(grey(10, size=(8, 8)), 2), Condition(grey(250, size=(8, 8)), 5))
    )
    pixels, strength = compose(canvas)
    assert pixels[:, 0, 0, 0].tolist() == [10, 10, 10, 10, 10, 250, 250]
    assert strength[:, 0, 0].tolist() == [0, 0, 1, 0, 0, 1, 0]


def test_the_edge_of_a_size_off_the_grid_belongs_to_its_neighbour():
    strength = np.ones((3, 20, 20), np.float32)
    assert token_strength(strength, Shape(3, 20, 20).padded(GRID), GRID).tolist() == [[[1, 1], [1, 1]]] * 2


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        (Condition(grey(0, size=(16, 16))), "does not fit a canvas of 32x32"),
        (Condition(grey(0), start=9), "outside a canvas of 9 frames"),
        (Condition(grey(0), start=-1), "outside a canvas"),
        (Condition(grey(0), strength=1.5), "strength=1.5"),
        (Condition(grey(0), mask=np.ones((8, 8), bool)), "mask of shape"),
    ],
)
def test_impossible_conditions_are_refused(condition, rule):
    with pytest.raises(InputError, match=rule):
        Canvas("", 9, (32, 32), conditions=(condition,))
