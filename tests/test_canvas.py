import numpy as np
import pytest
import torch

from patchworld.canvas import Canvas, Condition, action_row, compose, lay_out, paint, token_strength
from patchworld.errors import InputError
from patchworld.patches import patchify
from patchworld.shapes import Grid
from patchworld.vae import encode_clip
from patchworld.video import Clip

GRID = Grid(4, 16)


def grey(value, frames=1, size=(32, 32)):
    return Clip(np.full((frames, size[1], size[0], 3), value, np.uint8), 8)


def blocks(model, canvas, *span):
    return list(lay_out(canvas, model.autoencoder, model.patch, model.latent_channels, *span))


def caps(model, canvas):
    return [block.freedom.tolist() for block in blocks(model, canvas)]


def test_an_empty_canvas_is_dreamed_everywhere(tiny_model):
    assert caps(tiny_model, Canvas("a ball", 17, (32, 48))) == [[1.0] * 6] * 5


def test_a_first_image_is_given_and_nothing_else(tiny_model):
    canvas = Canvas("", 9, (32, 32), conditions=(Condition(grey(200)),))
    assert caps(tiny_model, canvas) == [[0] * 4, [1] * 4, [1] * 4]


def test_blocks_are_the_tokens_and_the_detail_of_the_clip_encoded_in_one_piece(tiny_model):
    frames = np.random.default_rng(0).integers(0, 256, (11, 40, 32, 3), np.uint8)
    clip = Clip(frames, 8)
    laid = blocks(tiny_model, Canvas("", 11, (32, 40), conditions=(Condition(clip),)))
    latent = encode_clip(tiny_model.autoencoder, clip, tiny_model.autoencoder.grid * tiny_model.patch)
    channels = tiny_model.latent_channels
    assert torch.equal(torch.cat([block.tokens for block in laid]), patchify(latent[:channels], tiny_model.patch))
    assert torch.equal(torch.cat([block.detail for block in laid], dim=1), latent[channels:])


def test_a_part_that_begins_before_the_canvas_holds_what_comes_first(tiny_model):
    canvas = Canvas("", 6, (32, 32), conditions=(Condition(grey(200), 2),))
    laid = list(compose(canvas, -3, 6, 4))
    assert [len(pixels) for pixels, _ in laid] == [1, 4, 4]
    assert [strength[:, 0, 0].tolist() for _, strength in laid] == [[0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert all((pixels == 200).all() for pixels, _ in laid)


def test_a_strength_between_gives_softly():
    strength = np.zeros((4, 32, 32), np.float32)
    strength[:, :16] = 0.75
    assert token_strength(strength, (1, 2, 2), GRID).tolist() == [[[0.75, 0.75], [0, 0]]]


def test_each_frame_of_a_condition_may_have_a_strength_of_its_own(tiny_model):
    condition = Condition(grey(9, 9), strength=np.array([1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0]))
    canvas = Canvas("", 9, (32, 32), conditions=(condition,))
    assert caps(tiny_model, canvas) == [[0] * 4, [0.5] * 4, [1] * 4]
    assert canvas.given().tolist() == [True] + [False] * 8


def test_a_token_is_given_only_where_all_of_its_pixels_are():
    strength = np.zeros((1, 32, 32), np.float32)
    strength[:, :17, :31] = 1
    assert token_strength(strength, (1, 2, 2), GRID).tolist() == [[[1, 0], [0, 0]]]


def test_what_is_not_given_holds_the_given_frame_of_its_block_or_the_one_before():
    placed = (Condition(grey(10, size=(8, 8)), 2), Condition(grey(250, size=(8, 8)), 8))
    laid = list(compose(Canvas("", 13, (8, 8), conditions=placed), 0, 13, 4))
    assert [pixels[:, 0, 0, 0].tolist() for pixels, _ in laid] == [[10], [10] * 4, [250] * 4, [250] * 4]
    assert np.concatenate([strength[:, 0, 0] for _, strength in laid]).nonzero()[0].tolist() == [2, 8]


def test_the_edge_of_a_size_off_the_grid_belongs_to_its_neighbour():
    strength = np.ones((3, 20, 20), np.float32)
    assert token_strength(strength, (1, 2, 2), GRID).tolist() == [[[1, 1], [1, 1]]]


def test_what_is_placed_later_lies_over_what_was_placed_before():
    mask = np.zeros((32, 32), bool)
    mask[:16] = True
    placed = (Condition(grey(1, 4)), Condition(grey(2, 2), 1, mask=mask), Condition(grey(3), 3, strength=0.5))
    canvas = Canvas("", 4, (32, 32), conditions=placed)
    pixels, strength = paint(canvas, 0, 4)
    assert pixels[:, 0, 0, 0].tolist() == [1, 2, 2, 3]
    assert pixels[:, 31, 0, 0].tolist() == [1, 1, 1, 3]
    assert strength[:, 0, 0].tolist() == [1, 1, 1, 0.5]
    assert canvas.given().tolist() == [True, True, True, False]
    assert canvas.joins() == [3]


def test_on_a_circle_the_first_frames_come_again_after_the_last():
    clip = Clip(np.concatenate([grey(1, size=(8, 8)).frames, grey(2, size=(8, 8)).frames]), 8)
    canvas = Canvas("", 8, (8, 8), conditions=(Condition(clip),), circular=True)
    assert paint(canvas, 6, 10)[0][:, 0, 0, 0].tolist() == [0, 0, 1, 2]
    assert canvas.joins() == [0, 2]


def test_actions_of_a_block_are_told_frame_by_frame_and_unknown_ones_are_refused():
    assert action_row(["jump", "", "left", "left"], ["jump", "left"], 4).tolist() == [1, 0, 0, 0, 0, 0, 1, 1]
    assert action_row(["left", "jump"], ["jump", "left"], 4).tolist() == [0, 1, 0, 0, 1, 0, 0, 0]
    assert action_row(["left"], ["jump", "left"], 4, first=True).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    with pytest.raises(InputError, match="unknown action 'fly': this model knows jump, left"):
        action_row(["fly"], ["jump", "left"], 4)
    with pytest.raises(InputError, match="trained without actions"):
        action_row(["fly"], [], 4)


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        (Condition(grey(0, size=(16, 16))), "does not fit a canvas of 32x32"),
        (Condition(grey(0), start=9), "outside a canvas of 9 frames"),
        (Condition(grey(0), start=-1), "outside a canvas"),
        (Condition(grey(0), strength=1.5), "strength=1.5"),
        (Condition(grey(0), mask=np.ones((8, 8), bool)), "mask of shape"),
        (Condition(grey(0, 3), mask=np.ones((2, 32, 32), bool)), "mask of shape"),
        (Condition(grey(0, 3), strength=np.ones(2)), "strengths for 3 frames"),
    ],
)
def test_impossible_conditions_are_refused(condition, rule):
    with pytest.raises(InputError, match=rule):
        Canvas("", 9, (32, 32), conditions=(condition,))


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"changes": ((0, "x"),)}, r"changes at frames \[0\]: use growing numbers from 1 to 8"),
        ({"cuts": (5, 3)}, r"cuts at frames \[5, 3\]"),
        ({"cuts": (9,)}, r"cuts at frames \[9\]"),
        ({"circular": True, "cuts": (4,)}, "time is a circle"),
        ({"circular": True, "conditions": (Condition(grey(0), 1),)}, "place a condition at frame 0"),
    ],
)
def test_impossible_times_are_refused(more, rule):
    with pytest.raises(InputError, match=rule):
        Canvas("", 9, (32, 32), **more)
