"""Send MLflow what is missing."""

from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepError
from sweeps.record.layout import sweep_names
from sweeps.record.locks import is_run, running_lock
from sweeps.record.reading import read_facts, run_key
from sweeps.record.recovery import check_whole
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.refusals import store_errors
from sweeps.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient


def end_dead_sweeps(client: "MlflowClient", running: Path, store: Store) -> None:
    """End the runs of other sweeps in a store that a process left running as it was killed.

    Args:
        client: Of the store.
        running: The folder of the sweep that runs; the others lie beside it.
        store: The store.
    """
    results = running.parent
    for folder in (results / name for name in sweep_names(results)):
        if folder != running and not is_run(folder):
            _end_where_dead(client, folder, store)


def _end_where_dead(client: "MlflowClient", folder: Path, store: Store) -> None:
    """End the runs of a sweep that no process runs, where this store has any of them as running.

    One that has begun meanwhile, or that cannot be read, is none of this sweep's business.
    """
    try:
        with running_lock(folder):
            facts, experiment = read_facts(folder), client.get_experiment_by_name(folder.name)
            left = f"tags.sweep_id = '{run_key(facts)}' and attributes.status = 'RUNNING'"
            if experiment and client.search_runs([experiment.experiment_id], left, max_results=1):
                Mirror(folder, store, is_running=False).conclude()
    except SweepError:
        return


def sync(folder: Path, store: Store) -> dict[str, str]:
    """Send what a store lacks of a sweep that is not running; return why it refused some, by trial or files.

    Raises:
        SweepError: The sweep is running, its ledger is damaged, or the store takes nothing.
    """
    with running_lock(folder), store_errors(store):
        check_whole(folder)
        mirror = Mirror(folder, store, is_running=False)
        mirror.conclude()
    return {trial_id: store.told(error) for trial_id, error in mirror.refusals.items()}


def experiment_link(folder: Path, store: Store) -> str:
    """Return the path of a sweep's experiment in MLflow's pages.

    Raises:
        SweepError: The store cannot be read.
    """
    with store_errors(store):
        return Mirror(folder, store, is_running=True).link
