import numpy as np
import pytest

from patchworld.video.label import labelled


@pytest.mark.parametrize(("width", "height"), [(640, 360), (64, 64), (128, 40), (16, 16), (5, 3), (1, 1)])
def test_the_label_is_legible_at_the_bottom_left_and_nothing_else_changes(width, height):
    frame = np.full((height, width, 3), 120, np.uint8)
    shown = labelled(frame)
    assert (frame == 120).all()
    rows, columns = np.nonzero((shown != 120).any(-1))
    assert (rows.max(), columns.min()) == (height - 1, 0)
    if min(width, height) >= 40:
        assert rows.min() >= 0.7 * height
        assert (shown.min(), shown.max() > 200) == (0, True)
        # The words are "AI generated" where they fit: far wider than high.
        assert columns.max() - columns.min() > 3 * (rows.max() - rows.min())


def test_drawn_twice_it_is_the_same():
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(labelled(labelled(frame)), labelled(frame))
