"""The cache directory for downloaded datasets and trained classifiers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from gan_core.errors import CacheError

CACHE_VARIABLE = "GAN_SWEEP_CACHE"

FOLDERS, CLASSIFIERS = "folders", "classifiers"
"""Directories of the cache with what can be made again: decoded images, and trained classifiers."""


def cache_folder() -> Path:
    """Return the path of the cache directory, which may not exist yet.

    The environment variable ``GAN_SWEEP_CACHE`` sets it; the default is ``gan-sweep`` in the user's caches.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("gan-sweep")


@contextmanager
def locked_cache(part: str = "") -> Iterator[Path]:
    """Create the cache directory if it is missing, and let one process at a time write to it.

    Args:
        part: What the process writes; other parts can be written meanwhile.

    Raises:
        CacheError: The directory cannot be created or written.
    """
    folder = cache_folder()
    lock = FileLock(folder / f".{part}.lock" if part else folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise CacheError(
            f"cannot write to the cache directory {folder} ({error.strerror or error}): set {CACHE_VARIABLE}"
            " to a writable directory"
        ) from error
    try:
        yield folder
    finally:
        lock.release()
