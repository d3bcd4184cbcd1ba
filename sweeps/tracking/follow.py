"""Keep MLflow up to date with a sweep while it runs: ``gan-sweep sync NAME --follow``."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from sweeps.errors import SweepError
from sweeps.record.locks import is_run, uploads_lock
from sweeps.record.reading import overall_status, read_facts
from sweeps.record.status import Status
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.store import Store
from sweeps.tracking.study_file import StudyFile
from sweeps.tracking.sync import Progress, in_one_line, reasons

POLL_S = 1.0
RETRY_S = 5.0
COMPARE_S = 60.0
"""While items are missing, the time after which the store is compared with the record again."""

LOOK_S = 0.2
"""The time after which the end of the sweep is noticed."""


def follow(folder: Path, store: Store, notify: Callable[[Progress], None]) -> dict[str, str]:
    """Upload a sweep until the process that runs it has ended, and conclude it if the sweep has ended too.

    Args:
        folder: The sweep's folder.
        store: The store.
        notify: Called whenever the store has answered, or does not.

    Returns:
        Why each item is missing.

    Raises:
        SweepError: The sweep's process has died, or the store does not answer at the end.
    """
    follower = _Follower(folder, store, notify)
    with uploads_lock(folder, lambda: follower.fail("another process is uploading this sweep")):
        while is_run(folder):
            is_done = follower.attempt(Mirror.catch_up)
            follower.update_study()
            _wait_while_running(folder, POLL_S if is_done else RETRY_S)
        if overall_status(read_facts(folder)) is Status.RUNNING:
            follower.attempt(Mirror.catch_up)
            raise SweepError(
                f"the process that ran {folder.name} did not end the sweep; to end its runs in MLflow:"
                f" gan-sweep sync {folder.name}"
            )
        follower.update_study(at_once=True)
        follower.compare_again()
        if not follower.attempt(Mirror.conclude):
            raise SweepError(
                f"MLflow at {store.public} is missing a part of {folder.name}: {follower.failure}"
            )
    return follower.missing


def _wait_while_running(folder: Path, seconds: float) -> None:
    end = monotonic() + seconds
    while monotonic() < end and is_run(folder):
        sleep(LOOK_S)


class _Follower:
    """Makes a new mirror after each failure, and while items are missing.

    Attributes:
        failure: Why MLflow is missing a part of the sweep, or None.
        missing: Why each item is missing.
    """

    def __init__(self, folder: Path, store: Store, notify: Callable[[Progress], None]) -> None:
        self._folder = folder
        self._store = store
        self._notify = notify
        self._mirror: Mirror | None = None
        self._compared_at = monotonic()
        self._n_answers = 0
        self._study = StudyFile(folder)
        self.failure: str | None = None
        self.missing: dict[str, str] = {}

    def attempt(self, job: Callable[[Mirror], None]) -> bool:
        """Do a job with the mirror, and return whether the store answered."""
        if self.missing and monotonic() - self._compared_at > COMPARE_S:
            self.compare_again()
        try:
            self._mirror = self._mirror or self._new_mirror()
            job(self._mirror)
        except Exception as error:  # noqa: BLE001 - reported, and tried again; tracking stops no sweep
            self._mirror = None
            self.fail(self._store.in_one_line(error))
            return False
        self.missing = reasons(self._mirror, self._store)
        self.failure = in_one_line(self.missing)
        self._tell()
        return True

    def compare_again(self) -> None:
        """Have the next attempt compare the store with the record, if items are missing."""
        if self.missing:
            self._mirror = None

    def update_study(self, *, at_once: bool = False) -> None:
        """Update Optuna's study file, and report its first failure."""
        self._study.update(at_once=at_once)
        self._tell()

    def fail(self, failure: str) -> None:
        """Report that the store takes nothing."""
        self.failure = failure
        self._tell()

    def _new_mirror(self) -> Mirror:
        self._compared_at = monotonic()
        return Mirror(self._folder, self._store, is_running=True, on_answer=self._count)

    def _count(self) -> None:
        self._n_answers += 1
        self._tell()

    def _tell(self) -> None:
        self._notify(Progress(self._n_answers, self.failure, self._study.failure))
