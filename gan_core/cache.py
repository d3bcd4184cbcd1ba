"""Where what is downloaded or trained once is kept."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from gan_core.errors import CacheError

CACHE_VARIABLE = "GAN_SWEEP_CACHE"


def cache_folder() -> Path:
    """Return the directory of what was downloaded or trained, which need not exist.

    It is what the environment variable ``GAN_SWEEP_CACHE`` says, or gan-sweep's in the user's caches.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("gan-sweep")


@contextmanager
def locked_cache() -> Iterator[Path]:
    """Make the cache directory where there is none, and give it to one process at a time to write into.

    Raises:
        CacheError: It cannot be made or written.
    """
    folder = cache_folder()
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise CacheError(
            f"nothing can be kept in {folder} ({error.strerror or error}): set {CACHE_VARIABLE} to a"
            f" directory that can be written"
        ) from error
    try:
        yield folder
    finally:
        lock.release()
