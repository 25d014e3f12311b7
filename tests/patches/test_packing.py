import torch

from patchworld.patches import pack, positions, unpack
from patchworld.shapes import Shape

SHAPES = (Shape(2, 2, 3), Shape(1, 1, 1), Shape(3, 1, 2))


def make_pack():
    tokens = [torch.randn(shape.volume, 5) for shape in SHAPES]
    return pack(tokens, [positions(shape, 1.0) for shape in SHAPES], SHAPES)


def test_dropping_tokens_keeps_what_is_left_in_place():
    whole = make_pack()
    kept = torch.tensor([1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1], dtype=torch.bool)
    part = whole.keep(kept)
    assert part.lengths == (4, 1, 3)
    assert part.frame_lengths.tolist() == [3, 1, 1, 0, 2, 1]
    assert part.frame_clips.tolist() == whole.frame_clips.tolist() == [0, 0, 1, 2, 2, 2]
    assert torch.equal(part.tokens, whole.tokens[kept])
    assert torch.equal(part.positions, whole.positions[kept])
    assert [len(clip) for clip in unpack(part.tokens, part)] == [4, 1, 3]
    assert part.with_tokens(part.tokens + 1).lengths == part.lengths


def test_a_pack_of_which_all_is_kept_is_the_pack():
    whole = make_pack()
    part = whole.keep(torch.ones(19, dtype=torch.bool))
    assert part.lengths == whole.lengths
    assert torch.equal(part.frame_lengths, whole.frame_lengths)
