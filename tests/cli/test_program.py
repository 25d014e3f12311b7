import errno
import os
import signal
import sys
import warnings
from pathlib import Path

import pytest
from tiny_commands import no_file_above, quick

from patchworld.cli import main
from patchworld.provenance import signing_key


def test_running_out_of_memory_is_one_line(model, refused, monkeypatch):
    def allocate(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes.")

    monkeypatch.setattr("patchworld.generate.decode_latents", allocate)
    assert "out of memory: ask for fewer frames or a smaller size" in refused(*quick(model), status=1)


def test_warnings_of_libraries_add_no_lines(model, run, monkeypatch):
    from patchworld.vae import decode_latents

    def warn(*arguments):
        warnings.warn("a library changes its ways in version 9", stacklevel=1)
        return decode_latents(*arguments)

    monkeypatch.setattr("patchworld.generate.decode_latents", warn)
    assert run(*quick(model, "out.png"))[::2] == (0, "")


def test_ctrl_c_ends_with_one_line_and_no_file(model, refused, monkeypatch):
    monkeypatch.setattr("patchworld.generate.decode_latents", lambda *_: signal.raise_signal(signal.SIGINT))
    assert "stopped; nothing was left half-written" in refused(*quick(model), status=130)


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png"])
def test_a_disk_that_takes_no_more_leaves_nothing_half_written(suffix, model, refused):
    signing_key()  # there since an earlier dream
    with no_file_above(60):
        line = refused(*quick(model, f"out.{suffix}"), status=75)
    assert f"out.{suffix} cannot be written: file too large; check the disk or write elsewhere" in line


def test_a_full_disk_keeps_the_file_that_was_there(model, refused, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path("out.mp4").write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    line = refused(*quick(model), status=75)
    assert "out.mp4 cannot be written: no space left on device; free some space or write to another disk" in line
    assert Path("out.mp4").read_text() == "before"


def test_a_reader_that_has_gone_is_no_error_message(capsys, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["--version"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_result_that_cannot_be_printed_is_one_line(capsys, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["--version"]) == 1
    assert capsys.readouterr().err == "patchworld: cannot print the result: No space left on device\n"
