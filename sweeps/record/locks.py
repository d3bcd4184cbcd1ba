"""Let one process run a sweep, and one upload it."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sweeps.errors import SweepError

PROBES_S = 1.0
"""Longer than :func:`is_run` holds the lock in other processes."""


@contextmanager
def running_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from running the same sweep; the lock ends with the process that holds it.

    Raises:
        SweepError: Another process runs the sweep, or the folder cannot be written.
    """

    def acquire(lock: FileLock) -> None:
        try:
            lock.acquire(timeout=PROBES_S)
        except Timeout:
            raise SweepError(f"the sweep {folder.name} is running in another process") from None

    with _held(folder / "running.lock", acquire):
        yield


@contextmanager
def uploads_lock(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from uploading the sweep to MLflow: two would create each run twice.

    Args:
        folder: The sweep's folder.
        on_wait: Called before waiting, if another process is uploading the sweep.

    Raises:
        SweepError: The folder cannot be written.
    """

    def acquire(lock: FileLock) -> None:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            on_wait()
            lock.acquire(poll_interval=PROBES_S)

    with _held(folder / "uploads.lock", acquire):
        yield


@contextmanager
def _held(file: Path, acquire: Callable[[FileLock], None]) -> Iterator[None]:
    lock = FileLock(file)
    try:
        acquire(lock)
    except OSError as error:
        raise SweepError(f"{file.parent} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def is_run(folder: Path) -> bool:
    """Return whether a process runs the sweep; a reader needs no permission to write the folder.

    If the lock cannot be tried, as without permission to read it, the answer is True: what the record says of
    the sweep then holds.
    """
    try:
        descriptor = os.open(folder / "running.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
