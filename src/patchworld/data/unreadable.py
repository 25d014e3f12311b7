"""Videos that cannot be read: a run of hours does not end for one of them, and drops none in silence."""

import warnings
from pathlib import Path
from threading import Lock

from patchworld.errors import InputError, MediaError

MOST = 0.1  # of the videos of a data set; one may always be unreadable, unless it is the only one


class Unreadable:
    """Those of a data set's `total` videos that were found unreadable. Threads may share it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.found: dict[Path, MediaError] = {}
        self.lock = Lock()

    def leave_out(self, path: Path, error: MediaError) -> None:
        """Tell of `path` once, as a warning with the count so far. Raises InputError when there are too many."""
        with self.lock:
            if path in self.found:
                return
            self.found[path] = error
            count = len(self.found)
        if count == self.total or count > max(1, MOST * self.total):
            raise InputError(
                f"{count} of {self.total} videos cannot be read, at most {max(1, int(MOST * self.total))} may be left "
                f"out: repair or remove them; the last one: {error}"
            )
        warnings.warn(f"left out, {count} of {self.total} videos so far: {error}", stacklevel=2)
