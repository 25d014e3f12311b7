import os
import stat
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from patchworld.errors import DiskError, RunError
from patchworld.provenance import find_key, keys, signing_folder, signing_key


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHWORLD_SIGNING", str(tmp_path / "signing"))
    return tmp_path / "signing"


def test_a_key_is_made_once_and_its_owner_alone_may_read_it(folder):
    assert find_key() is None
    assert not folder.exists()  # looking makes none
    key = signing_key()
    assert signing_key() == find_key() == key
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(os.listdir(folder)) == ["certificates.pem", "key.pem"]
    assert os.listdir(folder.parent) == ["signing"]


def test_the_certificate_is_signed_by_itself_and_for_this_use_alone():
    key = signing_key()
    certificate = x509.load_pem_x509_certificate(key.certificates)
    certificate.verify_directly_issued_by(certificate)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_lies_among_the_settings_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("PATCHWORLD_SIGNING")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert signing_folder() == tmp_path / "patchworld" / "signing"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert signing_folder() == tmp_path / ".config" / "patchworld" / "signing"


def test_processes_that_begin_together_have_one_key(folder):
    code = "from patchworld.provenance import signing_key; print(signing_key().serial)"
    racing = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0] for process in racing}
    assert answers == {f"{signing_key().serial}\n".encode()}
    assert os.listdir(folder.parent) == ["signing"]


def test_an_empty_folder_is_filled_and_another_is_left_alone(folder):
    folder.mkdir()
    signing_key()
    (folder / "key.pem").unlink()
    with pytest.raises(RunError, match=r"signing is not empty and holds no key\.pem: empty it, or name another folder"):
        signing_key()


def _pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("key.pem", b"nonsense", "cannot be used: .* put back key and certificates"),
        ("key.pem", _pem(ec.generate_private_key(ec.SECP256R1())), "no key of the first of its certificates"),
        ("certificates.pem", b"", "cannot be used"),
        ("certificates.pem", None, r"lacks certificates\.pem: put it back"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(folder, name, content, says):
    signing_key()
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(RunError, match=says):
        signing_key()


def test_a_folder_that_cannot_be_made_is_told_with_the_remedy(folder, monkeypatch):
    folder.parent.joinpath("file").write_text("")
    monkeypatch.setenv("PATCHWORLD_SIGNING", str(folder.parent / "file" / "signing"))
    with pytest.raises(DiskError, match=r"cannot hold the key that signs videos: .* name another folder in PATCH"):
        signing_key()


def test_a_certificate_that_has_ended_is_told(monkeypatch):
    monkeypatch.setattr(keys, "LIFETIME", timedelta(seconds=-1))
    signing_key()  # made just now
    with pytest.raises(RunError, match=r"the certificate in .* ended 20\d\d-\d\d-\d\d: put a new one, or none, there"):
        signing_key()
