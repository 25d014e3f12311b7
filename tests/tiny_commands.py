"""What the tests of several commands share."""

from contextlib import contextmanager

import pytest


def quick(model, out="out.mp4", *more, prompt="a red ball"):
    return ("generate", prompt, "-o", out, "--model", model, "--size", "16x16", "--steps", 1, *more)


@contextmanager
def no_file_above(size):
    """The kernel refuses to let a file grow beyond `size` bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
