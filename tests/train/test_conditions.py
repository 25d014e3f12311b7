import torch

from patchworld.shapes import Shape
from patchworld.train.conditions import DRAWS, draw_cap
from patchworld.train.order import generator

SHAPE = Shape(5, 4, 4)


def caps(number=2000, shape=SHAPE):
    return torch.stack([draw_cap(shape, generator(0, i)) for i in range(number)])


def test_about_half_of_the_clips_are_conditioned():
    conditioned = (caps() < 1).any(1).float().mean()
    assert 0.4 < conditioned < 0.55
    assert sum(DRAWS.values()) == 1


def test_something_is_always_left_to_dream():
    for shape in (SHAPE, Shape(1, 1, 1), Shape(2, 1, 1), Shape(1, 2, 3)):
        assert (caps(300, shape) == 1).any(1).all()


def test_given_tokens_are_clean_or_slightly_noisy():
    given = caps()
    given = given[given < 1]
    assert (given == 0).any()
    assert given.max() <= 0.3
    assert (given > 0).any()
