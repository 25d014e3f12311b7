import torch

from patchworld.shapes import Shape
from patchworld.train.conditions import DRAWS, LATER, WHOLE, draw_cap, draw_kept
from patchworld.train.order import generator

SHAPE = Shape(5, 4, 4)


def caps(number=2000, shape=SHAPE):
    return torch.stack([draw_cap(shape, generator(0, i)) for i in range(number)])


def test_about_half_of_the_clips_are_conditioned():
    conditioned = (caps() < 1).any(1).float().mean()
    assert 0.45 < conditioned < 0.6
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


def views(drop, number=400, shape=SHAPE):
    """Caps and kept tokens of many clips, (clips, n) each."""
    pairs = []
    for i in range(number):
        draw = generator(0, i)
        cap = draw_cap(shape, draw)
        pairs.append((cap, draw_kept(cap, shape, drop, draw)))
    return tuple(torch.stack(tensors) for tensors in zip(*pairs, strict=True))


def test_given_tokens_are_never_dropped_after_the_first_frame_and_something_stays_to_dream():
    for shape in (SHAPE, Shape(1, 1, 1), Shape(2, 1, 1), Shape(1, 2, 3)):
        cap, kept = views(0.9, shape=shape)
        later = slice(shape.height * shape.width, None)
        assert kept[:, later][cap[:, later] < 1].all()
        assert (kept & (cap == 1)).any(1).all()


def test_half_of_the_clips_that_go_on_lose_their_first_frame_as_later_windows_have_none():
    cap, kept = views(0.0, number=4000)
    first, rest = kept[:, :16], kept[:, 16:]
    goes_on = (cap[:, :32] < 1).all(1)
    assert rest.all()
    assert first[~goes_on].all()
    assert torch.equal(first.any(1), first.all(1))
    assert abs(first[goes_on].all(1).float().mean() - (1 - LATER)) < 0.1


def test_of_most_clips_the_asked_part_of_each_frame_is_dropped_and_of_the_others_nothing():
    cap, kept = views(0.5)
    whole = (kept | (cap < 1)).all(1)
    assert abs(whole.float().mean() - WHOLE) < 0.1
    dreamed, left = (cap == 1)[~whole].unflatten(1, (5, -1)).sum(2), (kept & (cap == 1))[~whole].unflatten(1, (5, -1))
    assert torch.equal(left.sum(2), dreamed - dreamed // 2)


def test_every_dreamed_token_is_dropped_at_times():
    cap, kept = views(0.5)
    assert (kept & (cap == 1)).any(0).all()
    assert (~kept).any(0).all()


def test_a_rate_of_zero_drops_nothing_and_draws_nothing():
    draw, same = generator(0), generator(0)
    assert draw_kept(torch.ones(SHAPE.volume), SHAPE, 0.0, draw).all()
    assert torch.equal(torch.rand(3, generator=draw), torch.rand(3, generator=same))
