"""What a file says of itself by its C2PA manifest, and whether it is still what was signed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from patchworld.errors import InputError, ProvenanceError
from patchworld.provenance.keys import find_key
from patchworld.provenance.manifest import IPTC, SETTINGS


@dataclass(frozen=True)
class Statement:
    """What is said of a file that is still what was signed. All but `known` are the signer's words.

    signer: the name in its certificate. known: whether the key is the operator's own, one of those that were named, or
    somebody's. source: how it came to be, by the IPTC's terms, such as trainedAlgorithmicMedia; empty when not said.
    made_by: the program. made_from: what was given, each with the signer of its own manifest if it has one.
    """

    signer: str
    known: Literal["own", "named", "unknown"]
    source: tuple[str, ...]
    made_by: str
    made_from: tuple[str, ...]


def check(file: BinaryIO, name: str, anchors: bytes = b"") -> Statement | None:
    """Check a file that is open to read. name: for messages. anchors: certificates of signers that are known, PEM.

    Returns None when it has no manifest, or is of a kind that has none. Raises ProvenanceError when anything but the
    manifest's own padding and the list of brands in an mp4 is not what was signed, InputError for unusable anchors.
    """
    import c2pa
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(anchors) if anchors else None
    except ValueError as error:
        raise InputError("what is to be trusted is no certificate: give the certificates.pem of a signer") from error
    own = find_key()
    trusted = anchors + (own.certificates if own else b"")
    settings = {**SETTINGS, "trust": {"user_anchors": trusted.decode()}} if trusted else SETTINGS
    file.seek(0)
    try:
        with c2pa.Context.from_dict(settings) as context, c2pa.Reader(None, file, context=context) as reader:
            found = json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        raise ProvenanceError(f"{name} was changed after it was signed: its manifest is damaged ({error})") from error
    _raise_failure(found, name)
    manifest = found["manifests"][found["active_manifest"]]
    known: Literal["own", "named", "unknown"] = "named" if found["validation_state"] == "Trusted" else "unknown"
    if own and str(own.serial) == manifest["signature_info"].get("cert_serial_number") and known == "named":
        known = "own"
    return Statement(
        signer=_signer(manifest),
        known=known,
        source=tuple(sorted({str(term).removeprefix(IPTC) for term in _sources(manifest)})),
        made_by=", ".join(
            f"{made.get('name', '')} {made.get('version', '')}".strip() for made in manifest["claim_generator_info"]
        ),
        made_from=tuple(_told(given, found["manifests"]) for given in manifest.get("ingredients", [])),
    )


def _raise_failure(found: dict[str, Any], name: str) -> None:
    if found["validation_state"] != "Invalid":
        return
    failures = found.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    codes = [failure["code"] for failure in failures if failure["code"] != "signingCredential.untrusted"]
    told = ", ".join(dict.fromkeys(codes)) or "no reason given"
    if any("mismatch" in code.lower() for code in codes):
        raise ProvenanceError(f"{name} was changed after it was signed ({told}): get it again from where it came from")
    raise ProvenanceError(f"the signature of {name} cannot be relied on ({told}): ask its signer for another")


def _signer(manifest: dict[str, Any]) -> str:
    signature = manifest.get("signature_info") or {}
    name, issuer = signature.get("common_name"), signature.get("issuer")
    return ", ".join(dict.fromkeys(str(part) for part in (name, issuer) if part)) or "somebody without a name"


def _sources(manifest: dict[str, Any]) -> Iterator[str]:
    for assertion in manifest.get("assertions", []):
        if assertion["label"].startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", []):
                if "digitalSourceType" in action:
                    yield action["digitalSourceType"]


def _told(given: dict[str, Any], manifests: dict[str, Any]) -> str:
    title = str(given.get("title") or "something")
    signed = manifests.get(str(given.get("active_manifest")))
    return f"{title}, signed by {_signer(signed)}" if signed else title
