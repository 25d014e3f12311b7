import numpy as np
import pytest

from patchworld.video.lettering import STYLES, has_chinese, lettering


@pytest.mark.parametrize("style", STYLES)
def test_letters_are_soft_at_the_edge_and_lie_whole_within_the_mask(style):
    mask = lettering(["Hill", "gap"], 24, style)
    assert mask.min() == 0
    assert mask.max() == 1
    assert ((mask > 0.1) & (mask < 0.9)).any()
    assert not mask[0].any()
    assert not mask[:, 0].any()


def test_letters_twice_as_high_and_twice_as_many_lines_take_the_room():
    one, double, lines = lettering(["Hill"], 20), lettering(["Hill"], 40), lettering(["Hill", "Hill"], 20)
    np.testing.assert_allclose(np.array(double.shape) / one.shape, 2, atol=0.25)
    assert lines.shape[0] > 1.8 * one.shape[0]
    assert lines.shape[1] == one.shape[1]


@pytest.mark.skipif(not has_chinese(), reason="no font with Chinese letters is installed")
def test_two_chinese_letters_differ():
    assert not np.array_equal(lettering(["世"], 24), lettering(["界"], 24))
