"""Copy a record while its sweep runs."""

import sqlite3
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from threading import Thread
from time import monotonic

from sweeps.errors import SweepError
from sweeps.record.files import put_in_place
from sweeps.record.layout import COPY, LEDGER
from sweeps.record.schema import connected

COPY_EVERY_S = 30.0
"""From one copy of the record to the next, while trials report."""


def write_copy(source: Path, copy: Path) -> None:
    """Copy a database, also while it is written; a damaged one is not put in place.

    Raises:
        sqlite3.Error: The database is damaged or locked, or the disk is full.
    """
    draft = copy.with_name(f"{copy.name}.draft")
    draft.unlink(missing_ok=True)
    with (
        closing(connected(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as connection,
        closing(connected(draft)) as copied,
    ):
        connection.backup(copied)
        copied.execute("PRAGMA journal_mode = DELETE")
        problem = copied.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problem != "ok":
        draft.unlink()
        raise sqlite3.DatabaseError(problem)
    put_in_place(draft, copy)


class Copier:
    """Keeps the copy of a record up to date, without a wait for the process that writes the record.

    A copy that cannot be made leaves the earlier one; the record itself then shows what is wrong.

    Args:
        folder: The sweep's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread: Thread | None = None
        self._started_at = -inf

    def copy_if_due(self) -> None:
        """Start a copy in a thread, unless the last one is recent or under way."""
        is_due = monotonic() - self._started_at > COPY_EVERY_S
        if is_due and not (self._thread and self._thread.is_alive()):
            self._started_at = monotonic()
            self._thread = Thread(target=self._copy, name="record copy")
            self._thread.start()

    def join(self) -> None:
        """Wait for a copy that is under way."""
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        """Write the last copy."""
        self.join()
        self._copy()

    def _copy(self) -> None:
        with suppress(sqlite3.Error, OSError, SweepError):
            write_copy(self._folder / LEDGER, self._folder / COPY)
