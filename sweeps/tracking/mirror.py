"""Bring MLflow up to the record of a sweep.

MLflow is a mirror: its tags and files say what it holds, and comparing them with the record says what it is
missing. Nothing is queued, so that a process that is killed at any point loses nothing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeps.record.follower import Follower
from sweeps.record.judging import constraints_of
from sweeps.record.reading import overall_status, read_facts
from sweeps.record.status import Status
from sweeps.tracking.missing import Missing
from sweeps.tracking.runs import Runs, experiment_of
from sweeps.tracking.store import Store, open_store
from sweeps.tracking.sweep_uploads import SweepUploads
from sweeps.tracking.trial_uploads import TrialUploads


class Mirror:
    """Compares a store with the record once, and then uploads what is new.

    What MLflow refuses is not tried again: a new mirror compares again.

    Args:
        folder: The sweep's folder.
        store: The store.
        is_running: Whether the sweep is running; otherwise, a trial that the record shows as running was
            interrupted when its process was killed.
        on_answer: Called whenever the store has answered.

    Raises:
        MlflowException: The store does not answer.
    """

    def __init__(
        self, folder: Path, store: Store, *, is_running: bool, on_answer: Callable[[], None] = lambda: None
    ) -> None:
        self._folder = folder
        self._store = store
        self._is_running = is_running
        self._record = Follower(folder)
        self._unsent: dict[str, list[dict[str, Any]]] = {}
        self._seen: dict[str, tuple[Status, int]] = {}
        self.missing = Missing(on_answer)
        facts = read_facts(folder)
        client = open_store(store, folder.parent)
        on_answer()
        self._runs = Runs(client, experiment_of(client, store, folder, facts), facts)
        self._runs.delete_doubles()
        on_answer()

    def catch_up(self) -> None:
        """Upload what is new.

        Raises:
            MlflowException: The store does not answer.
        """
        self.missing.begin_pass()
        facts = read_facts(self._folder)
        sweep = self._sweep_uploads(facts)
        sweep.begin(is_running=self._is_running)
        trials = TrialUploads(self._folder, facts, self._runs, self.missing)
        for trial_id, (status, n_take_overs) in self._changed().items():
            row = self._record.trial(trial_id)
            trials.bring_up(row, status, self._unsent.pop(trial_id, []))
            self._seen[trial_id] = status, n_take_overs
        sweep.send_best(self._record.scores(constraints_of(facts)))

    def conclude(self) -> None:
        """Upload what is left, and end the sweep's run.

        Raises:
            MlflowException: The store does not answer.
        """
        self.catch_up()
        while self._changed():
            self.catch_up()
        facts = read_facts(self._folder)
        self._sweep_uploads(facts).conclude(self._now(overall_status(facts)))

    def _sweep_uploads(self, facts: Mapping[str, Any]) -> SweepUploads:
        return SweepUploads(self._folder, self._store.kept, facts, self._runs, self.missing)

    def _changed(self) -> dict[str, tuple[Status, int]]:
        """Return the status and the number of take-overs of each trial that has changed in the record."""
        for trial_id, reports in self._record.new_reports().items():
            self._unsent.setdefault(trial_id, []).extend(reports)
        now = {
            trial_id: (self._now(status), n_take_overs)
            for trial_id, (status, n_take_overs) in self._record.standings().items()
        }
        return {
            trial_id: state
            for trial_id, state in now.items()
            if trial_id in self._unsent or self._seen.get(trial_id) != state
        }

    def _now(self, status: Status) -> Status:
        is_dead = status is Status.RUNNING and not self._is_running
        return Status.INTERRUPTED if is_dead else status
