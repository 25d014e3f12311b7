import subprocess
import sys

import patchworld


def test_every_public_name_is_there():
    assert sorted(patchworld.__all__) == patchworld.__all__
    for name in patchworld.__all__:
        assert getattr(patchworld, name).__name__ == name


def test_importing_patchworld_imports_no_heavy_library():
    code = "import sys, patchworld; print([m for m in ('torch', 'numpy', 'av', 'PIL', 'mujoco') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
