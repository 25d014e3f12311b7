import pytest
import torch

from patchworld.dit import modulation
from patchworld.dit.modulation import find_runs
from patchworld.patches import pack, positions
from patchworld.shapes import Shape


def make_pack(*shapes):
    return pack([torch.zeros(s.volume, 1) for s in shapes], [positions(s, 0.5) for s in shapes], shapes)


def test_a_run_ends_where_the_frame_or_the_noise_level_changes():
    packed = make_pack(Shape(2, 1, 3), Shape(1, 1, 2))  # frames of 3, 3 and 2 tokens
    runs = find_runs(packed, torch.tensor([0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1]))
    assert runs.lengths.tolist() == [3, 1, 2, 2]
    assert runs.frames.tolist() == [0, 1, 1, 2]
    torch.testing.assert_close(runs.levels, torch.tensor([0.5, 0.5, 0.1, 0.1]))
    assert runs.groups == ((1, 3), (1, 1), (2, 2))


@pytest.mark.parametrize("most_groups", [0, 100])
def test_broadcasting_and_looking_up_give_every_token_its_row(monkeypatch, most_groups):
    monkeypatch.setattr(modulation, "MOST_GROUPS", most_groups)
    packed = make_pack(Shape(2, 1, 3), Shape(1, 2, 2), Shape(3, 1, 1))
    runs = find_runs(packed, torch.tensor([0.3] * 4 + [0.2] * 9))
    x = torch.randn(13, 5, generator=torch.Generator().manual_seed(0))
    table = torch.randn(len(runs.levels), 5, generator=torch.Generator().manual_seed(1))
    rows = [row for row, length in enumerate(runs.lengths.tolist()) for _ in range(length)]
    truth = torch.stack([x[token] + table[row] for token, row in enumerate(rows)])
    assert torch.equal(runs.apply(torch.add, x, table), truth)


@pytest.mark.parametrize(("start", "stop"), [(0, 13), (0, 5), (2, 3), (3, 11), (12, 13), (4, 4), (13, 13)])
def test_the_runs_between_two_tokens_treat_them_as_the_whole_ones_do(start, stop):
    packed = make_pack(Shape(2, 1, 3), Shape(1, 2, 2), Shape(3, 1, 1))
    runs = find_runs(packed, torch.tensor([0.3] * 4 + [0.2] * 9))
    x = torch.randn(13, 5, generator=torch.Generator().manual_seed(0))
    table = torch.randn(len(runs.levels), 5, generator=torch.Generator().manual_seed(1))
    rows, some = runs.between(start, stop)
    assert torch.equal(some.apply(torch.add, x[start:stop], table[rows]), runs.apply(torch.add, x, table)[start:stop])
    assert int(some.lengths.sum()) == stop - start
