"""Which process runs a sweep."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sweeps.errors import SweepError

LOOKS_S = 1.0
"""More than others hold the lock who only look whether the sweep is running."""


@contextmanager
def running_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from running the same sweep; one that died keeps nobody.

    Raises:
        SweepError: Another process runs it.
    """
    try:
        with FileLock(folder / "running.lock", timeout=LOOKS_S):
            yield
    except Timeout:
        raise SweepError(f"the sweep {folder.name} is running in another process") from None


def is_run(folder: Path) -> bool:
    """Return whether a process runs the sweep, or that cannot be told, as in a folder of somebody else's."""
    try:
        with FileLock(folder / "running.lock", blocking=False):
            return False
    except (Timeout, OSError):
        return True
