"""What is said of a file that a model made, in a C2PA manifest that is signed into the file.

It says what made the file and, by the terms of the IPTC, that an algorithm which was trained made all of it or parts.
The recipe stands in the file already; the signature covers it like every picture.
"""

import io
import shutil
import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from patchworld.errors import RunError
from patchworld.provenance.keys import SigningKey, signing_key

# C2PA knows no place for a manifest in webm, mkv and bmp.
SIGNED = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".gif": "image/gif",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ALL_OF_IT, PARTS_OF_IT = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
SETTINGS = {
    "verify": {"verify_trust": True, "ocsp_fetch": False, "remote_manifest_fetch": False},  # nothing is ever fetched
    "builder": {"thumbnail": {"enabled": False}},
}


def source_type(recipe: dict[str, Any]) -> str:
    """The IPTC's term, an address, for what a recipe made: wholly, or in part where it was given clips."""
    return IPTC + (PARTS_OF_IT if any(_given(recipe)) else ALL_OF_IT)


def sign(file: BinaryIO, suffix: str, recipe: dict[str, Any], given: Collection[str] = ()) -> None:
    """Put a manifest, signed with the operator's key, into a finished file that is open to read and write.

    suffix: a key of SIGNED. given: the files that this process has read to make it, as the recipe names them; their own
    manifests travel along. No other file is opened, since a recipe may come from a stranger. Memory: twice the file, at
    most 600 MB. Raises RunError when there is no key or the library refuses, OSError when the disk is full; then the
    file is as it was, or void.
    """
    key = signing_key()
    # In a thread: Ctrl-C, which Python tells the main thread alone, would be lost inside the library. So is what a full
    # disk says, but closing the temporary file fails again and says it.
    with tempfile.TemporaryFile(dir=Path(file.name).parent) as signed, ThreadPoolExecutor(1) as thread:
        thread.submit(_sign, key, file, signed, SIGNED[suffix], recipe, given).result()
        for each in (signed, file):
            each.seek(0)
        shutil.copyfileobj(signed, file)


def _sign(
    key: SigningKey, source: BinaryIO, target: BinaryIO, kind: str, recipe: dict[str, Any], given: Collection[str]
) -> None:
    import c2pa

    clips = list(_given(recipe))
    with ExitStack() as opened:
        try:
            signer = opened.enter_context(
                c2pa.Signer.from_info(c2pa.C2paSignerInfo(key.algorithm.encode(), key.certificates, key.private, None))
            )
            context = opened.enter_context(c2pa.Context.from_dict(SETTINGS))
            builder = opened.enter_context(c2pa.Builder(_manifest(recipe, len(clips)), context))
            for number, clip in enumerate(clips):
                described = {"label": str(number), "relationship": "parentOf" if len(clips) == 1 else "componentOf"}
                _add_ingredient(builder, clip.get("path", ""), described, given)
            source.seek(0)
            builder.sign(signer, kind, source, target)
        except c2pa.C2paError as error:
            raise RunError(
                f"the C2PA manifest cannot be written: {error}; check the key in the folder PATCHWORLD_SIGNING"
            ) from error


def _manifest(recipe: dict[str, Any], ingredients: int) -> dict[str, Any]:
    """The claims of a manifest. ingredients: how many given clips will be added to it."""
    software = {"name": "patchworld", "version": version("patchworld")}
    made = {
        "digitalSourceType": source_type(recipe),
        "softwareAgent": software,
        "parameters": {f"org.patchworld.{name}": str(recipe.get(name, "")) for name in ("model", "verb")},
    }
    labels = [str(number) for number in range(ingredients)]
    if ingredients == 1:  # one clip was changed
        actions = [
            {"action": "c2pa.opened", "parameters": {"ingredientIds": labels}},
            {"action": "c2pa.edited", **made},
        ]
    else:  # a new one, in which others may be placed
        actions = [{"action": "c2pa.created", **made}]
        actions += [{"action": "c2pa.placed", "parameters": {"ingredientIds": [label]}} for label in labels]
    return {
        "claim_generator_info": [software],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _add_ingredient(builder: Any, path: str, described: dict[str, str], given: Collection[str]) -> None:
    """Name a given clip; where it is a file that has a manifest of its own, that one travels along."""
    import c2pa

    described = {"title": Path(path).name or "a clip", **described}
    if path in given and (kind := SIGNED.get(Path(path).suffix.lower())) is not None:
        with suppress(OSError, c2pa.C2paError), open(path, "rb") as file:
            builder.add_ingredient(described, kind, file)
            return
    builder.add_ingredient(described, "application/octet-stream", io.BytesIO())


def _given(value: Any) -> Iterator[dict[str, Any]]:
    """The clips that a recipe names, as `patchworld.recipe` writes them."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    if isinstance(value, dict) and isinstance(value.get("path", value.get("sha256")), str):
        yield value
    for part in parts:
        yield from _given(part)
