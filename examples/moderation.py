"""A program for `patchworld serve --moderation "python examples/moderation.py"`: blocks words of a list.

Letters are compared as people read them: without case, without those that nobody sees, full-width ones as plain ones.
This is a beginning, not a classifier. Tried by hand, without input, it blocks an example.
"""

import json
import sys
import unicodedata

WORDS = ("weapon", "武器")
EXAMPLE = '{"stage": "input", "texts": ["a red ball", "a WEA\\u200bPON"], "files": []}'


def as_read(text: str) -> str:
    """Text without what is only there to hide it."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(seen.casefold().split())


asked = json.loads(sys.stdin.read() or EXAMPLE)
found = [word for word in WORDS for text in asked["texts"] if as_read(word) in as_read(text)]
print(json.dumps({"blocked": bool(found), "reason": f"it has the word '{found[0]}'" if found else ""}))
