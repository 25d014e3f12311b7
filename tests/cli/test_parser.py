import re
import subprocess
import sys

import pytest


def test_help_comes_without_waiting_for_anything_heavy():
    code = (
        "import sys; from patchworld.cli import main; status = main(['--help']); "
        "print(status, sorted({'torch', 'numpy', 'av', 'PIL', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0 []\n")
    assert 'patchworld generate "a red ball' in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "missing COMMAND; see patchworld --help"),
        (("generat", "x"), r"unknown command 'generat' \(did you mean generate\?\)"),
        (("quux",), r"unknown command 'quux' \(known: generate, animate, extend, .*, merge\)"),
        (("--seed", "3", "generate", "x"), "unknown option --seed .*; see patchworld --help"),
        (("train", "autoencodr"), r"unknown part 'autoencodr' \(did you mean autoencoder\?\)"),
        (("data", "playrom"), r"unknown kind 'playrom' \(did you mean playroom\?\)"),
        (("generate", "x", "-o", "x.mp4", "--framse", "3"), r"unknown option --framse \(did you mean --frames\?\)"),
        (("generate", "x", "-o", "x.mp4", "--framse=3"), r"unknown option --framse \(did you mean --frames\?\)"),
        (("generate", "x", "-o", "x.mp4", "--fram", "3"), r"unknown option --fram \(did you mean --frames\?\)"),
        (("generate", "x", "--output", "x.mp4"), r"unknown option --output \(did you mean --out\?\)"),
        (("generate", "x", "-o", "x.mp4", "--quux"), "unknown option --quux .*--guidance"),
        (("generate", "-o", "x.mp4"), "missing PROMPT; see patchworld generate --help"),
        (("generate", "x"), "missing -o/--out"),
        (("generate", "a", "red", "ball", "-o", "x.mp4"), "'red ball' is one argument too many: .*quotes"),
        (("generate", "x", "-o", "x.mp4", "--frames"), "--frames: expected one argument"),
        (("generate", "x", "-o", "x.mp4", "--frames", "many"), "--frames: not a whole number: 'many'"),
        (("generate", "x", "-o", "x.mp4", "--fps", "fast"), "--fps: not a number: 'fast'"),
        (("generate", "x", "-o", "x.mp4", "--size", "64"), "'64' is not a size: write width x height"),
        (("generate", "x", "-o", "x.mp4", "--size", "a\nb"), "'a b' is not a size"),
    ],
)
def test_words_that_are_not_understood_are_named_with_the_nearest_known_one(words, message, refused):
    assert re.search(message, refused(*words))
