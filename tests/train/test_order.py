import torch

from patchworld.train.order import PackOrder, generator, packs_of_epoch

LENGTHS = [80] * 60 + [28] * 30 + [16] * 30 + [400] * 5


def test_every_sample_is_seen_exactly_once_an_epoch():
    packs = packs_of_epoch(LENGTHS, 1000, generator(0, 0))
    assert sorted(sample for pack in packs for sample in pack) == list(range(len(LENGTHS)))


def test_packs_are_full_but_never_over_the_budget():
    lengths = LENGTHS * 10
    sizes = [sum(lengths[s] for s in pack) for pack in packs_of_epoch(lengths, 2000, generator(0, 0))]
    assert max(sizes) <= 2000
    assert sum(sizes) / (2000 * len(sizes)) > 0.95


def test_the_order_is_a_function_of_seed_and_step():
    order, again, other = PackOrder(LENGTHS, 1000, 0), PackOrder(LENGTHS, 1000, 0), PackOrder(LENGTHS, 1000, 1)
    steps = [order[step] for step in range(20)]
    assert again[19] == steps[19]  # asked for without those before it
    assert again[0] == steps[0]
    assert [other[step] for step in range(20)] != steps


def test_random_numbers_of_different_purposes_differ():
    draws = {
        tuple(torch.rand(3, generator=generator(*key)).tolist())
        for key in [(0,), (1,), (0, 0), (0, 1), (0, 0, 0), (1, 0)]
    }
    assert len(draws) == 6
