import pytest

from patchworld.serve.body import BadBody, nested


def test_names_in_brackets_become_objects_and_lists():
    pairs = [
        ("prompt", "[x]"),
        ("video[id]", "v"),
        ("cards[0][at]", "0"),
        ("cards[1][at]", "1"),
        ("place[]", "0"),
        ("place[]", "1"),
    ]
    assert nested(pairs) == {
        "prompt": "[x]",
        "video": {"id": "v"},
        "cards": [{"at": "0"}, {"at": "1"}],
        "place": ["0", "1"],
    }
    assert nested([("cards", '[{"at": 0}]')]) == {"cards": [{"at": 0}]}


@pytest.mark.parametrize(
    "pairs",
    [
        [("a[b", "x")],
        [("a", "x"), ("a", "y")],
        [("a", "x"), ("a[b]", "y")],
        [("a" + "[b]" * 20, "x")],
        [("cards", "[1")],
        [("cards", "[" * 100_000)],
    ],
)
def test_names_that_make_no_sense_are_refused(pairs):
    with pytest.raises(BadBody):
        nested(pairs)
