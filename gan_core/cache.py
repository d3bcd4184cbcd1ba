"""The cache directory for downloaded datasets, decoded images and trained classifiers."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from gan_core.errors import CacheError

CACHE_VARIABLE = "GAN_SWEEP_CACHE"

FOLDERS, CLASSIFIERS = "folders", "classifiers"
"""The directories of the cache that can be recreated: decoded images and trained classifiers."""


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


def cache_contents() -> dict[str, int]:
    """Return the size in bytes of each directory and file in the cache, by name, except its locks."""
    folder = cache_folder()
    if not folder.is_dir():
        return {}
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return {entry.name: _n_bytes(entry) for entry in entries}


def clear_cache() -> int:
    """Delete what can be recreated without a network: decoded images and trained classifiers.

    Returns:
        The size of what was deleted, in bytes.

    Raises:
        CacheError: The cache directory cannot be written.
    """
    with locked_cache() as folder:
        before = cache_contents()
        for name in (FOLDERS, CLASSIFIERS):
            shutil.rmtree(folder / name, ignore_errors=True)
        return sum(before.values()) - sum(cache_contents().values())


def _n_bytes(entry: Path) -> int:
    files = entry.rglob("*") if entry.is_dir() else [entry]
    return sum(file.stat().st_size for file in files if file.is_file())
