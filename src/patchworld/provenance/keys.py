"""The operator's key: made when it is first needed, kept in one folder.

key.pem           the private key, which its owner alone may read
certificates.pem  what others know it by; to be given to whoever wants to recognise this key

Who has a certificate from an authority puts it there, leaf first, with its key.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from patchworld.errors import DiskError, RunError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

FOLDER = "PATCHWORLD_SIGNING"  # the environment variable that names another folder
LIFETIME = timedelta(days=30 * 365)  # without a time stamp from an authority, signatures end with the certificate
PRIVATE = 0o600


@dataclass(frozen=True)
class SigningKey:
    """private, certificates: PEM. algorithm: as C2PA names it, such as es256. serial, ends: of the certificate."""

    private: bytes
    certificates: bytes
    algorithm: str
    serial: int
    ends: datetime


def signing_folder() -> Path:
    """Where the key is: PATCHWORLD_SIGNING, or patchworld/signing among the user's settings."""
    if named := os.environ.get(FOLDER):
        return Path(named).absolute()
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(settings).expanduser() / "patchworld" / "signing"


def signing_key() -> SigningKey:
    """The operator's key, made now if there is none. Raises RunError when it cannot be read or made, or has ended."""
    if (key := find_key()) is not None:
        if key.ends < datetime.now(UTC):
            raise RunError(
                f"the certificate in {signing_folder()} ended {key.ends:%Y-%m-%d}: put a new one, or none, there"
            )
        return key
    folder = signing_folder()
    try:
        _make(folder)
    except OSError as error:
        raise DiskError(
            f"{folder} cannot hold the key that signs videos: {error.strerror}; name another folder in {FOLDER}"
        ) from error
    if (key := find_key()) is None:
        raise RunError(f"{folder} is not empty and holds no key.pem: empty it, or name another folder in {FOLDER}")
    return key


def find_key() -> SigningKey | None:
    """The operator's key, or None. Raises RunError when it cannot be read, or others may read it too."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = signing_folder() / "key.pem"
    try:
        mode, private = path.stat().st_mode, path.read_bytes()
        certificates = path.with_name("certificates.pem").read_bytes()
        key = load_pem_private_key(private, None)
        leaf = x509.load_pem_x509_certificates(certificates)[0]
    except (FileNotFoundError, NotADirectoryError) as error:
        if not path.exists():
            return None
        raise RunError(f"{path.parent} lacks certificates.pem: put it back, or remove key.pem for new ones") from error
    except (OSError, ValueError, TypeError) as error:  # TypeError: the key wants a password
        raise RunError(f"{path} cannot be used: {error}; put back key and certificates, without a password") from error
    if os.name == "posix" and mode & 0o077:
        raise RunError(f"{path} may be read by others, mode {mode & 0o777:o}: run chmod 600 {path}")
    algorithm = _algorithm(key)
    if algorithm is None or leaf.public_key() != key.public_key():
        raise RunError(f"{path} is no key of the first of its certificates, or of a kind that C2PA does not know")
    return SigningKey(private, certificates, algorithm, leaf.serial_number, leaf.not_valid_after_utc)


def _algorithm(key: object) -> str | None:
    """What C2PA calls signing with such a key; None where it does not know it."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {256: "es256", 384: "es384", 521: "es512"}.get(key.key_size)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    return "ps256" if isinstance(key, rsa.RSAPrivateKey) else None


def _make(folder: Path) -> None:
    """A new key under the name `folder`, unless another process was faster: of two that begin, one wins whole."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".signing-"))  # its owner's alone
    try:
        (made / "key.pem").touch(PRIVATE)
        (made / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (made / "certificates.pem").write_bytes(_certificate(key))
        try:
            os.rename(made, folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _certificate(key: "EllipticCurvePrivateKey") -> bytes:
    """A certificate that the key has signed itself: C2PA asks for these uses and identifiers."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "patchworld"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"patchworld key {identifier.digest.hex()[:16]}"),
        ]
    )
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"),
        False,
    )
    certificate = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, encipher_only=False, decipher_only=False, **usage), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    return certificate.sign(key, SHA256()).public_bytes(Encoding.PEM)
