from painting import box, reading

from patchworld.scorecard.reading import Blob


def test_a_thing_is_found_with_its_place_size_and_colour() -> None:
    (blob,) = reading([box("red", 20, 40, 6)]).blobs[0]
    assert isinstance(blob, Blob)
    assert (blob.colour, blob.x, blob.y, blob.area) == ("red", 20, 40, 144)
    assert (blob.left, blob.top, blob.right, blob.bottom) == (14, 34, 26, 46)


def test_a_thin_line_and_a_speck_are_no_things() -> None:
    assert reading([("green", 10, 40, 50, 42), ("red", 30, 50, 33, 53)]).blobs[0] == []


def test_a_highlight_leaves_no_hole_in_a_thing() -> None:
    (blob,) = reading([box("blue", 30, 40, 7), box("white", 30, 40, 1)]).blobs[0]
    assert blob.mask.all()


def test_the_white_of_a_plate_is_no_white_thing_but_a_white_thing_alone_is() -> None:
    pie = [("white", 20, 40, 44, 54), ("filling", 22, 36, 42, 50)]
    assert reading(pie).of("white", 0) == []
    assert len(reading([("white", 20, 40, 44, 54)]).of("white", 0)) == 1


def test_puffs_beside_a_candle_are_no_things() -> None:
    candle = ("wax", 20, 30, 25, 50)
    assert reading([candle, box("white", 50, 32, 3)]).blobs[0] == []
    assert len(reading([candle, box("white", 50, 42, 6)]).blobs[0]) == 1


def test_a_colour_that_flickers_up_once_does_not_count() -> None:
    red, both = [box("red", 20, 40)], [box("red", 20, 40), box("green", 45, 40)]
    assert reading(red, both, red).colours(range(3)) == {"red"}
    assert reading(red, both, both).colours(range(3)) == {"red", "green"}
