"""Keep what the workers of failed trials printed in the folder of the sweep."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from ray.exceptions import RayActorError
from ray.tune.experiment import Trial as TuneTrial

from gan_core.errors import in_one_line
from sweeps.cluster.worker_log import fetch_worker_log
from sweeps.record.layout import worker_log_file

LOG = logging.getLogger("sweeps")


class WorkerLogs:
    """Knows the worker of each trial that runs, and keeps its log if the trial fails.

    Args:
        folder: The sweep's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: dict[str, str] = {}

    def note_worker(self, trial: TuneTrial) -> None:
        """Remember the worker of a trial, before it fails: Tune reports a failure without the worker."""
        worker = trial.temporary_state.ray_actor
        if worker is not None:
            self._workers[trial.trial_id] = worker._actor_id.hex()  # noqa: SLF001 - no public name

    def forget(self, tune_id: str) -> None:
        """Forget the worker of a trial that has ended."""
        self._workers.pop(tune_id, None)

    def keep(self, tune_id: str, trial_id: str, error: Exception | None, traceback: str) -> str:
        """Append the log of a trial's worker, and the traceback, to the trial's file; return the log.

        If the log cannot be fetched or written, the sweep's log says why, and the worker's log is empty.

        Args:
            tune_id: Tune's name of the trial.
            trial_id: The sweep's name of the trial.
            error: Why the trial failed; it knows a worker that never started the trial.
            traceback: Tune's text of the error.
        """
        known = error.actor_id if isinstance(error, RayActorError) else None
        try:
            text = fetch_worker_log(self._workers.get(tune_id) or known, trial_id)
            file = worker_log_file(self._folder, trial_id)
            file.parent.mkdir(exist_ok=True)
            with file.open("a", encoding="utf-8") as opened:
                opened.write(f"--- {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} the worker failed\n{text}")
                opened.write(f"--- traceback\n{traceback}\n")
        except Exception as reason:  # noqa: BLE001 - the trial has failed for another reason
            LOG.warning(f"{trial_id}: the log of its worker is missing: {in_one_line(reason)}")
            return ""
        LOG.info(f"{trial_id}: the log of its worker is in {file}")
        return text
