import torch

from patchworld.dit.rotary import rotary_angles, rotate


def turned(x, positions):
    angles = rotary_angles(positions, x.shape[-1])[:, None]
    return rotate(x, angles.cos(), angles.sin())


def test_scores_depend_on_the_distance_of_two_places_alone():
    draw = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 6, 1, 32, generator=draw)
    here, there = torch.randn(2, 6, 3, generator=draw)
    moved = torch.tensor([1.5, -2.0, 3.0])
    scores = (turned(q, here) * turned(k, there)).sum(-1)
    torch.testing.assert_close((turned(q, here + moved) * turned(k, there + moved)).sum(-1), scores, atol=1e-4, rtol=0)
    assert not torch.allclose((turned(q, here + moved) * turned(k, there)).sum(-1), scores, atol=1e-2)


def test_rotation_keeps_the_length_and_nothing_turns_at_the_origin():
    x = torch.randn(5, 2, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(turned(x, torch.zeros(5, 3)), x)
    torch.testing.assert_close(turned(x, torch.rand(5, 3) * 10).norm(dim=-1), x.norm(dim=-1))


def test_a_quarter_of_the_pairs_turns_with_time_and_the_others_with_y_and_x():
    axes = rotary_angles(torch.eye(3), 32) != 0  # (axis, pairs)
    assert axes.sum(1).tolist() == [4, 6, 6]
    assert axes.sum(0).eq(1).all()


def test_a_second_is_four_units_of_space():
    time, y, x = rotary_angles(torch.eye(3), 32)
    assert (time.max(), y.max(), x.max()) == (4, 1, 1)


def test_gradients_turn_the_other_way_round():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(5, 2, 8, generator=draw, dtype=torch.float64, requires_grad=True)
    angles = torch.rand(5, 1, 4, generator=draw, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: rotate(x, angles.cos(), angles.sin()), x)
