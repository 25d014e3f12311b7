"""patchworld verify: what a file says of itself, and whether it is still what was signed."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patchworld.provenance import Statement

HELP = """The exit status is 0 when the file was signed and nothing was changed since, whoever signed it;
3 when it was changed, or nobody signed it. Manifests can be stripped: what has none may have been made by anything.

example: patchworld verify ball.mp4"""
SOURCES = {
    "trainedAlgorithmicMedia": "AI-generated",
    "compositeWithTrainedAlgorithmicMedia": "AI-generated in part",
}
WITH_MANIFESTS = ("mov", "gif", "avi", "image")  # as `open_media` calls what C2PA knows; mov is mp4 too
KNOWN = {"own": "the key of this machine", "named": "a key that was named as known", "unknown": "nobody vouches for it"}


def add(commands: Any) -> None:
    verify = commands.add_parser("verify", help="what a file says of itself: who signed it, what made it", epilog=HELP)
    verify.add_argument("file", type=Path, metavar="FILE", help="any video or image")
    verify.add_argument(
        "--trust", type=Path, nargs="+", default=[], metavar="FILE", help="certificates.pem of signers that are known"
    )
    verify.set_defaults(run=_verify, parser=verify)


def _verify(options: argparse.Namespace) -> str:
    from patchworld.errors import InputError, ProvenanceError
    from patchworld.provenance import check
    from patchworld.video.container import one_line, open_media
    from patchworld.video.source import open_source

    name = one_line(options.file)
    try:
        anchors = b"\n".join(path.read_bytes() for path in options.trust)
    except OSError as error:
        raise InputError(f"--trust: a file of certificates cannot be read: {error}; give certificates.pem") from error
    with open_source(options.file) as source:  # which also refuses what is no video or image
        recipe, mark = (source.note.recipe, source.note.aigc) if source.note else (None, None)
    file, kind = open_media(options.file, whole=False)
    with file:
        statement = check(file, name, anchors)
    if statement is None:
        why = "stripped, or never there" if kind in WITH_MANIFESTS else f"{kind} files hold none"
        note = f"; a note in it, which anyone can write, says {_made_by(recipe)}" if recipe else ""
        raise ProvenanceError(f"{name} has no manifest ({why}), so nobody vouches for it{note}")
    # Titles and names are whatever a stranger wrote: none may break a line or steer the terminal.
    return "\n".join([f"{name}: signed, and unchanged since", *map(_plain, _lines(statement, recipe, mark))])


def _lines(statement: "Statement", recipe: dict[str, Any] | None, mark: dict[str, Any] | None) -> list[str]:
    source = ", ".join(SOURCES.get(term, term) for term in statement.source) or "not said how it came to be"
    lines = [
        f"  signed by  {statement.signer}: {KNOWN[statement.known]}",
        f"  source     {source}, with {statement.made_by}",
    ]
    lines += [f"  made from  {given}" for given in statement.made_from]
    if mark:
        lines.append("  AIGC       " + ", ".join(f"{name} {str(told)[:64]!r}" for name, told in mark.items() if told))
    if recipe:
        lines += [f"  recipe     {_made_by(recipe)}", f"  prompt     {recipe.get('prompt', '')!r}"]
    return lines


def _plain(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _made_by(recipe: dict[str, Any]) -> str:
    names = ("verb", "model", "seed", "steps", "guidance")
    return ", ".join(f"{name} {str(recipe[name])[:40]!r}" for name in names if name in recipe)
