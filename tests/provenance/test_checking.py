import os
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tiny import moving_square

from patchworld.errors import ProvenanceError
from patchworld.provenance import SIGNED, check, signing_key
from patchworld.video import Writer, read

RECIPE = {"verb": "generate", "model": "abc", "prompt": "a ball", "seed": 3}
FORMATS = sorted(set(SIGNED) - {".jpeg"})


def signed(folder, suffix=".mp4", recipe=RECIPE, given=()):
    path = folder / f"signed{suffix}"
    with Writer(path, (32, 32), 8, recipe=recipe, given=given) as writer:
        for frame in moving_square(9 if suffix in (".mp4", ".mov", ".gif") else 1).frames:
            writer.add(frame)
    return path


def checked(content, **how):
    return check(BytesIO(content), "it", **how)


def outside(data):
    """The places of a signed file that are not the manifest or its wrapping, nor the brands of an mp4 at the start."""
    start = data.index(b"jumb") - 4
    end = start + int.from_bytes(data[start : start + 4])
    return [*range(64, start - 64), *range(end + 8, len(data))]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_changed_byte_of_picture_or_recipe_is_noticed(tmp_path, suffix):
    data = signed(tmp_path, suffix).read_bytes()
    assert checked(data).known == "own"
    places = outside(data)
    assert data.index(b"a ball") in places
    for place in [data.index(b"a ball"), *np.random.default_rng(0).choice(places, 40)]:
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ProvenanceError, match=r"it was changed after it was signed|signature of it cannot"):
            checked(bytes(changed))


def test_an_appended_or_missing_end_is_noticed(tmp_path):
    data = signed(tmp_path).read_bytes()
    for changed in (data[:-9], data + b"\0\0\0\x0cmdatmore"):
        with pytest.raises(ProvenanceError, match="it was changed after it was signed"):
            checked(changed)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_stripped_manifest_is_none(tmp_path, suffix):
    path = signed(tmp_path, suffix)
    with Image.open(path) as image:
        image.load()
        image.save(tmp_path / f"stripped{suffix}")
    assert checked((tmp_path / f"stripped{suffix}").read_bytes()) is None
    assert checked(moving_square(3).save(tmp_path / "plain.mkv").read_bytes()) is None


def test_a_foreign_key_is_unknown_unless_it_was_named(tmp_path, monkeypatch):
    data, mine = signed(tmp_path).read_bytes(), signing_key()
    monkeypatch.setenv("PATCHWORLD_SIGNING", str(tmp_path / "other"))
    assert checked(data).known == "unknown"  # a machine that has no key
    other = signing_key()
    assert other.serial != mine.serial
    assert checked(data).known == "unknown"
    assert checked(data, anchors=other.certificates).known == "unknown"
    assert checked(data, anchors=mine.certificates).known == "named"
    assert checked(data).signer == "patchworld key " + checked(data).signer.split()[2].rstrip(",") + ", patchworld"


def test_what_was_given_is_an_ingredient_and_its_own_manifest_travels_along(tmp_path):
    path = str(signed(tmp_path))
    clip = {"path": path, "sha256": "0"}
    one = checked(signed(tmp_path, ".mov", {**RECIPE, "arguments": {"clip": clip}}, {path}).read_bytes())
    assert one.source == ("compositeWithTrainedAlgorithmicMedia",)
    assert one.made_from == (f"signed.mp4, signed by {one.signer}",)
    two = {"a": clip, "cards": [{"clip": {"path": "gone/b.mp4", "sha256": "1"}}, {"clip": {"sha256": "2"}}]}
    many = checked(signed(tmp_path, ".gif", {**RECIPE, "arguments": two}, {path, "gone/b.mp4"}).read_bytes())
    assert many.made_from == (one.made_from[0], "b.mp4", "a clip")


def test_a_file_that_only_a_recipe_names_is_not_opened(tmp_path):
    path = str(signed(tmp_path))
    recipe = {**RECIPE, "arguments": {"clip": {"path": path, "sha256": "0"}}}
    assert checked(signed(tmp_path, ".mov", recipe).read_bytes()).made_from == ("signed.mp4",)


def test_a_given_file_that_was_tampered_with_is_still_named(tmp_path):
    data = bytearray(signed(tmp_path).read_bytes())
    data[-50] ^= 1
    path = tmp_path / "given.mp4"
    path.write_bytes(data)
    recipe = {**RECIPE, "arguments": {"clip": {"path": str(path), "sha256": "0"}}}
    assert checked(signed(tmp_path, ".mov", recipe, {str(path)}).read_bytes()).made_from[0].startswith("given.mp4")


def test_nothing_heavy_is_imported_until_something_is_signed():
    code = "import sys, patchworld.video; print([m for m in ('c2pa', 'cryptography') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert answer.stdout.strip() == "[]"


def test_the_frames_of_a_signed_file_are_read_as_ever(tmp_path):
    assert read(signed(tmp_path, ".png")).recipe == RECIPE
