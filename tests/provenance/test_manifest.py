import io
import json
import os
import shutil
import signal

import c2pa
import pytest
from tiny import moving_square

from patchworld.errors import RunError
from patchworld.provenance import sign, signing_folder, source_type


class Interrupted(io.BufferedRandom):
    """A file at whose first byte somebody presses Ctrl-C, once."""

    pressed = False

    def readinto(self, buffer):
        if not self.pressed:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)
        return super().readinto(buffer)


def test_ctrl_c_inside_the_library_is_not_lost(tmp_path):
    path = moving_square(3).save(tmp_path / "a.mp4")
    with Interrupted(io.FileIO(path, "r+")) as file, pytest.raises(KeyboardInterrupt):
        sign(file, ".mp4", {})
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_a_key_that_the_library_refuses_is_told(tmp_path, monkeypatch):
    shutil.copytree(signing_folder(), tmp_path / "signing")
    monkeypatch.setenv("PATCHWORLD_SIGNING", str(tmp_path / "signing"))
    path = moving_square(3).save(tmp_path / "a.mp4")
    before = path.read_bytes()

    def refuse(*_):
        raise c2pa.C2paError("no")

    monkeypatch.setattr(c2pa.Signer, "from_info", refuse)
    with open(path, "r+b") as file, pytest.raises(RunError, match="manifest cannot be written: no; check the key"):
        sign(file, ".mp4", {})
    assert path.read_bytes() == before


def test_a_manifest_says_what_made_the_file_and_asks_nobody(tmp_path):
    path = moving_square(3).save(tmp_path / "a.mp4")
    with open(path, "r+b") as file:
        sign(file, ".mp4", {"verb": "generate", "model": "abc", "arguments": {"prompt": "x"}})
        file.seek(0)
        with c2pa.Reader("video/mp4", file) as reader:
            told = json.loads(reader.json())
    manifest = told["manifests"][told["active_manifest"]]
    (actions,) = [each["data"]["actions"] for each in manifest["assertions"] if each["label"] == "c2pa.actions.v2"]
    assert [action["action"] for action in actions] == ["c2pa.created"]
    assert actions[0]["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert actions[0]["parameters"] == {"org.patchworld.model": "abc", "org.patchworld.verb": "generate"}
    assert "time" not in manifest["signature_info"]  # no authority for time stamps was asked


def test_parts_of_what_was_given_make_a_composite():
    assert source_type({"arguments": {"prompt": "x", "size": [8, 8]}}).endswith("/trainedAlgorithmicMedia")
    for clip in ({"sha256": "0"}, {"path": "a.mp4"}, {"path": "a.mp4", "sha256": "0", "start": 1.0}):
        for arguments in ({"clip": clip}, {"cards": [{"at": 0, "clip": clip}]}):
            assert source_type({"arguments": arguments}).endswith("/compositeWithTrainedAlgorithmicMedia")
