"""Where a file comes from: signed when it is written, told and checked afterwards (C2PA, c2pa.org).

keys.py      the operator's key and certificate, made when first needed
manifest.py  what is said of a file that a model made, signed into the file
aigc.py      the field that China's labelling standard asks for
checking.py  what a file says of itself, and whether it is still what was signed
"""

from patchworld.provenance.aigc import aigc
from patchworld.provenance.checking import Statement, check
from patchworld.provenance.keys import SigningKey, find_key, signing_folder, signing_key
from patchworld.provenance.manifest import SIGNED, sign, source_type

__all__ = [
    "SIGNED",
    "SigningKey",
    "Statement",
    "aigc",
    "check",
    "find_key",
    "sign",
    "signing_folder",
    "signing_key",
    "source_type",
]
