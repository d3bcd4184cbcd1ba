"""Which MLflow stores still show a sweep as running, and the lock of the process that uploads it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sweeps.errors import SweepError

STORES = "mlflow.json"
"""The file in the sweep's folder that lists the stores."""


def stores_showing_running(folder: Path) -> list[str | None]:
    """Return the public URIs of the stores that show the sweep as running; None: the store in the results."""
    with suppress(OSError, ValueError, TypeError):
        return list(json.loads((folder / STORES).read_text(encoding="utf-8"))["shown_as_running"])
    return []


def note_running(folder: Path, uri: str | None, *, is_running: bool) -> None:
    """Note on disk whether the store at ``uri`` shows the sweep as running."""
    before = stores_showing_running(folder)
    after = [*(each for each in before if each != uri), *([uri] if is_running else [])]
    if after == before:
        return
    draft = folder / f"{STORES}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"shown_as_running": after}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / STORES)


@contextmanager
def uploads_lock(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from uploading the sweep: two would create each run twice.

    Args:
        folder: The sweep's folder.
        on_wait: Called before waiting, if another process is uploading it.

    Raises:
        SweepError: The folder cannot be written.
    """
    lock = FileLock(folder / "uploads.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_wait()
        lock.acquire(poll_interval=0.2)
    except OSError as error:
        raise SweepError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()
