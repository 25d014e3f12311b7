import json

import pytest
from tiny import moving_square

from patchworld.data import Sample, action_names, read_dataset
from patchworld.errors import InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clips").mkdir()
    moving_square(3).save(tmp_path / "clips" / "a.mp4")
    return tmp_path


def test_a_caption_file_of_json_lines_is_read(folder):
    rows = [
        {"video": "clips/a.mp4", "caption": "a square"},
        {
            "video": "clips/a.mp4",
            "captions": ["one", {"text": "二", "language": "zh"}],
            "actions": ["none", "jump", "none"],
        },
    ]
    (folder / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    path = folder / "clips" / "a.mp4"
    samples = read_dataset(folder)
    assert samples == [Sample(path, ("a square",)), Sample(path, ("one", "二"), ("none", "jump", "none"))]
    assert action_names(samples) == ("jump", "none")


def test_settings_are_kept_apart_from_captions(folder):
    said, there = {"text": "a square jumps"}, {"text": "a square", "detail": "setting"}
    row = {"video": "clips/a.mp4", "captions": [there, said], "actions": ["none", "jump", "none"]}
    (folder / "captions.jsonl").write_text(json.dumps(row))
    (sample,) = read_dataset(folder)
    assert (sample.captions, sample.settings) == (("a square jumps",), ("a square",))


def test_a_table_of_captions_is_read(folder):
    (folder / "captions.csv").write_text('video,caption\nclips/a.mp4,"a square, moving"\n')
    assert read_dataset(folder) == [Sample(folder / "clips" / "a.mp4", ("a square, moving",))]


def test_captions_written_on_windows_or_with_odd_line_ends_are_read_as_they_are(folder):
    text = '\ufeff{"video": "clips/a.mp4", "caption": "one\u2028line"}\r\n'
    (folder / "captions.jsonl").write_bytes(text.encode())
    assert read_dataset(folder)[0].captions == ("one\u2028line",)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("captions.jsonl", b'{"video": "a.mp4", "caption": "B\xe4r"}', "jsonl is not UTF-8 .* save it as UTF-8"),
        ("captions.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("captions.jsonl", b'{"video": "a\\u0000.mp4", "caption": ""}', 'line 1 has no "video"'),
        ("captions.csv", b"video,caption\na.mp4," + b"x" * 200_000, "line 2 is not CSV"),
    ],
)
def test_a_caption_file_that_cannot_be_read_is_named(folder, name, content, rule):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rule):
        read_dataset(folder)


def test_text_files_beside_the_videos_are_read(folder):
    (folder / "clips" / "a.txt").write_text("a square\n")
    assert read_dataset(folder) == [Sample(folder / "clips" / "a.mp4", ("a square",))]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is not an object"),
        ('{"caption": "a"}', 'line 1 has no "video"'),
        ('{"video": "clips/a.mp4"}', "None is no caption"),
        ('{"video": "clips/a.mp4", "caption": 3}', "3 is no caption"),
        ('{"video": "clips/a.mp4", "captions": []}', "has no caption"),
        ('{"video": "clips/a.mp4", "captions": [{"text": "a", "detail": "setting"}]}', "has no caption"),
        ('{"video": "missing.mp4", "caption": "a"}', "does not exist"),
        ('{"video": "../secret.mp4", "caption": "a"}', "lies outside"),
        ('{"video": "clips/a.mp4", "caption": "a", "actions": "jump"}', "not a list"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(folder, row, rule):
    (folder / "captions.jsonl").write_text(row)
    with pytest.raises(InputError, match=rule):
        read_dataset(folder)


def test_a_folder_without_captions_says_what_to_add(folder):
    with pytest.raises(InputError, match=r"add captions\.jsonl"):
        read_dataset(folder)
    with pytest.raises(InputError, match="not a folder"):
        read_dataset(folder / "nowhere")
