import pytest

from patchworld.video.recipe import Note, note_in_tags, pack_note, unpack_note


def test_a_note_survives_packing_and_is_one_line_of_ascii():
    note = Note((47, 31), 24.0, {"prompt": "红色的球\nrolls", "seed": 2**60, "strength": 0.1})
    text = pack_note(note)
    assert text.isascii()
    assert "\n" not in text
    assert unpack_note(text) == unpack_note(text.encode()) == note


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "made by hand",
        "[1, 2]",
        '{"patchworld": 1}',
        '{"patchworld": {"size": [1], "fps": 1, "recipe": null}}',
        '{"patchworld": {"size": [1, 2], "fps": "x", "recipe": {}}}',
        b"\xff\xfe",
        "[" * 100_000,
    ],
)
def test_comments_of_other_programs_are_no_note(text):
    assert unpack_note(text) is None


def test_the_tag_is_found_in_capitals_too():
    text = pack_note(Note((8, 8), 1.0))
    assert note_in_tags({"title": "x", "COMMENT": text}) == note_in_tags({"comment": text}) == Note((8, 8), 1.0)
    assert note_in_tags({"title": text}) is None
