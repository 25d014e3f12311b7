import pytest
import torch

from patchworld.dit import recall
from patchworld.dit.recall import FAINTEST, OWN
from patchworld.patches import pack, positions
from patchworld.shapes import Shape

SHAPES = (Shape(3, 2, 2), Shape(1, 2, 3), Shape(4, 1, 2))
LENGTHS = [shape.volume for shape in SHAPES]
R, P = 6, 5


def make_pack(keep=None):
    packed = pack([torch.zeros(n, P) for n in LENGTHS], [positions(shape, 0.5) for shape in SHAPES], SHAPES)
    return packed if keep is None else packed.keep(keep)


def drawn(*size, seed=1):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def slow(clean, address, level, keep):
    """Token by token."""
    out, places, start = [], [], 0
    for clip, shape in enumerate(SHAPES):
        places += [(clip, i % (shape.height * shape.width)) for i in range(shape.volume)]
        start += shape.volume
    places = [place for place, here in zip(places, keep.tolist(), strict=True) if here]
    for i, place in enumerate(places):
        others = [j for j, other in enumerate(places) if other == place]
        scores = torch.stack([address[i, :R] @ address[j, R:] / R**0.5 for j in others])
        scores[others.index(i)] += OWN - 2 * level[i].clamp(min=FAINTEST).log()
        out.append(scores.softmax(0) @ clean[others])
    return torch.stack(out)


@pytest.mark.parametrize("dropped", [False, True])
def test_it_is_a_mixture_over_the_times_of_one_place_and_of_one_clip(dropped):
    keep = drawn(sum(LENGTHS), seed=5) > -0.5 if dropped else torch.ones(sum(LENGTHS), dtype=torch.bool)
    n = int(keep.sum())
    clean, address, level = drawn(n, P), 3 * drawn(n, 2 * R, seed=2), drawn(n, seed=3).sigmoid()
    fast = recall(clean, address, make_pack(keep if dropped else None), level)
    torch.testing.assert_close(fast, slow(clean, address, level, keep), rtol=1e-5, atol=1e-6)


def test_each_token_begins_with_its_own_estimate_and_what_has_no_noise_keeps_it():
    n = sum(LENGTHS)
    clean, nothing = drawn(n, P), torch.zeros(n, 2 * R)
    begun = recall(clean, nothing, make_pack(), torch.ones(n))
    assert (begun - clean).abs().max() < 0.1
    sure = recall(clean, drawn(n, 2 * R), make_pack(), torch.zeros(n))
    torch.testing.assert_close(sure, clean, rtol=0, atol=1e-3)


def test_what_is_given_can_come_back_exactly_where_nothing_moves():
    shape = Shape(3, 2, 2)
    address = torch.zeros(12, 2 * R)
    address[4:, 0] = address[:4, R] = 10  # all look for the first frame
    level = torch.cat([torch.zeros(4), torch.ones(8)])
    packed = pack([torch.zeros(12, P)], [positions(shape, 0.5)], (shape,))
    clean = drawn(12, P)
    found = recall(clean, address, packed, level)
    torch.testing.assert_close(found, clean[:4].repeat(3, 1), rtol=0, atol=1e-5)


def test_autocast_does_not_round_it():
    n = sum(LENGTHS)
    clean, address, level = drawn(n, P), drawn(n, 2 * R, seed=2), drawn(n, seed=3).sigmoid()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(recall(clean, address, make_pack(), level), recall(clean, address, make_pack(), level))
        rounded = recall(clean, address, make_pack(), level)
    assert torch.equal(rounded, recall(clean, address, make_pack(), level))
