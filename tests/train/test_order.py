import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from patchworld.playroom.dataset import DEFAULT_MIX
from patchworld.shapes import Grid, pixel_shape
from patchworld.train.order import PackOrder, generator, packs_of_epoch

LENGTHS = dict(enumerate([80] * 60 + [28] * 30 + [16] * 30 + [400] * 5))
SAMPLES = st.dictionaries(st.integers(0, 10_000), st.integers(1, 300), min_size=1, max_size=200)


def order_of(lengths, budget, *stream):
    return PackOrder(lambda epoch: lengths, budget, *stream)


def bundled_mix(num):
    """Tokens of `num` clips of the playroom, drawn as the data set draws their sizes."""
    tokens = [pixel_shape(s.num_frames, (s.width, s.height)).divided(Grid(4, 16)).volume for s in DEFAULT_MIX]
    weights = torch.tensor([share.weight for share in DEFAULT_MIX])
    chosen = torch.multinomial(weights, num, replacement=True, generator=generator(num))
    return {number: tokens[i] for number, i in enumerate(chosen.tolist())}


@settings(deadline=None)
@given(lengths=SAMPLES, budget=st.integers(1, 600), seed=st.integers(0, 2**32), most_open=st.integers(1, 20))
def test_every_sample_is_in_exactly_one_pack_of_an_epoch(lengths, budget, seed, most_open):
    packs = packs_of_epoch(lengths, budget, generator(seed), most_open)
    assert sorted(sample for pack in packs for sample in pack) == sorted(lengths)


@settings(deadline=None)
@given(lengths=SAMPLES, budget=st.integers(1, 600), seed=st.integers(0, 2**32))
def test_no_pack_is_over_the_budget_but_a_sample_that_is_so_alone(lengths, budget, seed):
    for pack in packs_of_epoch(lengths, budget, generator(seed)):
        assert pack
        assert sum(lengths[sample] for sample in pack) <= budget or len(pack) == 1


@settings(deadline=None)
@given(lengths=SAMPLES, budget=st.integers(300, 1000), seed=st.integers(0, 2**32))
def test_any_mix_needs_fewer_than_twice_as_many_packs_as_its_tokens_would_fill(lengths, budget, seed):
    packs = packs_of_epoch(lengths, budget, generator(seed), most_open=len(lengths))
    assert len(packs) <= 2 * sum(lengths.values()) / budget + 1


@pytest.mark.parametrize("budget", [640, 1280, 4096])
def test_an_epoch_of_the_bundled_mix_fills_97_percent_of_its_packs(budget):
    lengths = bundled_mix(5936)
    for epoch in range(2):
        packs = packs_of_epoch(lengths, budget, generator(0, epoch))
        assert sum(lengths.values()) / (budget * len(packs)) >= 0.97


def test_a_small_data_set_needs_no_more_packs_than_its_tokens_fill():
    lengths = bundled_mix(500)
    assert len(packs_of_epoch(lengths, 1280, generator(0))) == -(-sum(lengths.values()) // 1280)


def test_samples_of_a_pack_lie_by_length():
    for pack in packs_of_epoch(LENGTHS, 1000, generator(0)):
        assert [LENGTHS[sample] for sample in pack] == sorted(LENGTHS[sample] for sample in pack)


def test_the_order_is_a_function_of_seed_and_number():
    order, again, other = (order_of(LENGTHS, 1000, seed) for seed in (0, 0, 1))
    packs = [order[number] for number in range(20)]
    assert again[19] == packs[19]  # asked for without those before it
    assert again[0] == packs[0]
    assert [other[number] for number in range(20)] != packs


def test_epochs_follow_each_other_whole_and_in_another_order():
    order = order_of(LENGTHS, 1000, 0)
    epochs = [[], [], []]
    number = 0
    while (pack := order[number])[0] < 3:
        epochs[pack[0]].append(pack[1])
        number += 1
    for packs in epochs:
        assert sorted(sample for pack in packs for sample in pack) == sorted(LENGTHS)
    assert epochs[0] != epochs[1] != epochs[2]


def test_lengths_may_differ_from_epoch_to_epoch():
    order = PackOrder(lambda epoch: dict.fromkeys(range(8), 100 // (1 + epoch)), 200, 0)
    packs = [order[number] for number in range(6)]
    assert [len(samples) for epoch, samples in packs if epoch == 0] == [2] * 4
    assert [len(samples) for epoch, samples in packs if epoch == 1] == [4] * 2


def test_the_order_is_the_same_however_many_threads_ask():
    numbers = range(60)  # several epochs
    alone = order_of(LENGTHS, 1000, 0)
    expected = [alone[number] for number in numbers]

    def slow_lengths(epoch):
        time.sleep(0.01)  # long enough for the other threads to come and ask for the same epoch, or for the next
        return LENGTHS

    order, start = PackOrder(slow_lengths, 1000, 0), threading.Barrier(4)

    def ask(first):
        start.wait()
        return {number: order[number] for number in numbers[first::4]}

    with ThreadPoolExecutor(4) as pool:
        found = {number: pack for part in pool.map(ask, range(4)) for number, pack in part.items()}
    assert [found[number] for number in numbers] == expected


def test_random_numbers_of_different_purposes_differ():
    draws = {
        tuple(torch.rand(3, generator=generator(*key)).tolist())
        for key in [(0,), (1,), (0, 0), (0, 1), (0, 0, 0), (1, 0)]
    }
    assert len(draws) == 6
