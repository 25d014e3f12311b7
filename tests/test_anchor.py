import numpy as np

from patchworld.anchor import FADES, Anchor, put_back

DRAW = np.random.default_rng(0)
GIVEN = DRAW.integers(60, 200, (24, 32, 3), dtype=np.uint8)  # texture that no decoder keeps
DECODED = np.full_like(GIVEN, 130)


def test_a_frame_of_the_same_things_gets_back_all_that_was_lost():
    anchor = Anchor(GIVEN, DECODED)
    assert np.array_equal(put_back(DECODED, anchor.lost(DECODED)), GIVEN)


def test_what_is_lost_fades_with_the_difference_and_only_where_there_is_one():
    anchor = Anchor(GIVEN, DECODED)
    whole = anchor.lost(DECODED)
    changed = DECODED.copy()
    changed[:, 16:] += int(FADES / 2)
    half = anchor.lost(changed)
    assert np.array_equal(half[:, :12], whole[:, :12])
    assert np.allclose(half[:, 20:], whole[:, 20:] / 2)
    assert not anchor.lost(DECODED + np.uint8(FADES)).any()


def test_nothing_leaves_the_range_of_a_pixel():
    assert put_back(np.array([[[250, 3, 9]]], np.uint8), np.array([[[20.0, -7.6, 0.4]]])).tolist() == [[[255, 0, 9]]]
