"""A file appears whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from patchworld.errors import DiskError


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A file, open to write and read, that takes the name `path` when the block ends without an error.

    Until then it is a hidden file in the same folder, so that only a rename is left to do; what was at `path` stays.
    An error or Ctrl-C removes it. Raises DiskError when the disk refuses.
    """
    target = Path(os.path.realpath(path))  # a link stays a link, what it points to is replaced
    part = target.with_name(f".patchworld-{secrets.token_hex(6)}.part")
    try:
        with disk_errors(path):
            file = open(part, "x+b")  # noqa: SIM115  closed below, in a way that keeps the first error
        try:
            yield file
            with disk_errors(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # on a full disk closing fails too
                file.close()
        with disk_errors(path):
            os.replace(part, target)
    finally:
        with suppress(OSError):  # by now it has its name, or it never came to be
            part.unlink()


@contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """Turn what the disk refuses inside the block into a DiskError that names `path` and the remedy."""
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: str | Path, error: OSError) -> DiskError:
    """The DiskError for an OSError met while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space or write to another disk"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "change the permissions of the folder or write elsewhere"
    else:
        remedy = "check the disk or write elsewhere"
    return DiskError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}; {remedy}")
