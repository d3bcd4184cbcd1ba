"""Keep Optuna's ``study.db`` up to date while a sweep runs."""

from pathlib import Path
from time import monotonic

from gan_core.errors import in_one_line
from sweeps.record.follower import Follower

EVERY_S = 10.0
"""The least time between two updates: each reads the whole record."""


class StudyFile:
    """The study file of a sweep; its failures stop nothing.

    Args:
        folder: The sweep's folder.

    Attributes:
        failure: Why the file was not updated, or None; kept from the first failure on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._n_ended = 0
        self._updated_at = 0.0
        self.failure: str | None = None

    def update(self, *, at_once: bool = False) -> None:
        """Add the trials that have ended since, unless the last update was a moment ago."""
        if not at_once and monotonic() - self._updated_at < EVERY_S:
            return
        self._updated_at = monotonic()
        try:
            n_ended = sum(status.is_finished() for status, _ in Follower(self._folder).standings().values())
            if n_ended != self._n_ended or at_once:
                from sweeps.search.study import bring_up

                bring_up(self._folder)
                self._n_ended = n_ended
        except Exception as error:  # noqa: BLE001 - only people read the file
            self.failure = self.failure or f"{self._folder / 'study.db'}: {in_one_line(error)}"
