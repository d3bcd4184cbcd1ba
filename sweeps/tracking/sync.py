"""Upload what MLflow is missing of a sweep that is not running."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sweeps.errors import SweepError
from sweeps.record.locks import running_lock, uploads_lock
from sweeps.record.recovery import check_whole
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.refusals import store_errors
from sweeps.tracking.store import Store, open_store
from sweeps.tracking.study_file import StudyFile
from sweeps.tracking.view import VIEW
from sweeps.words import counted


@dataclass(frozen=True)
class Progress:
    """How far the uploads of a sweep have come.

    Args:
        answers: How many requests MLflow has answered.
        failure: Why MLflow is missing a part of the sweep for now, or None.
        study_failure: Why Optuna's ``study.db`` is missing trials, or None.
    """

    answers: int
    failure: str | None = None
    study_failure: str | None = None


def sync(
    folder: Path, store: Store, notify: Callable[[Progress], None] = lambda _progress: None
) -> dict[str, str]:
    """Upload what a store is missing of a sweep that is not running, and end the sweep's runs.

    Args:
        folder: The sweep's folder.
        store: The store.
        notify: Called whenever the store has answered.

    Returns:
        Why each item is missing that cannot be read or that the store refuses.

    Raises:
        SweepError: The sweep is running, another process uploads it, its record is damaged, or the store
            does not answer.
    """

    def refuse() -> None:
        raise SweepError(f"another process is uploading the sweep {folder.name}: wait until it has ended")

    answers = count(1)
    with running_lock(folder), uploads_lock(folder, refuse), store_errors(store):
        check_whole(folder)
        study = StudyFile(folder)
        study.update(at_once=True)
        mirror = Mirror(folder, store, is_running=False, on_answer=lambda: notify(Progress(next(answers))))
        mirror.conclude()
    missing = reasons(mirror, store)
    notify(Progress(next(answers), in_one_line(missing), study.failure))
    return missing


def reasons(mirror: Mirror, store: Store) -> dict[str, str]:
    """Return why each item is missing that a mirror could not upload."""
    return {str(item): store.in_one_line(error) for item, error in mirror.missing.items.items()}


def in_one_line(missing: Mapping[str, str]) -> str | None:
    """Return why the first item is missing, and how many more are; None if none is missing."""
    if not missing:
        return None
    item, reason = next(iter(missing.items()))
    more = f"; {counted(len(missing) - 1, 'more item')} missing" if len(missing) > 1 else ""
    return f"{item}: {reason}{more}"


def experiment_link(folder: Path, store: Store) -> str:
    """Return the path of a sweep's experiment in MLflow's pages.

    Raises:
        SweepError: The store cannot be read, or has no experiment of the sweep.
    """
    with store_errors(store):
        experiment = open_store(store, folder.parent).get_experiment_by_name(folder.name)
    if experiment is None or experiment.lifecycle_stage != "active":
        name = folder.name
        raise SweepError(f"MLflow has no runs of {name}: type gan-sweep sync {name}, which uploads them")
    page = f"#/experiments/{experiment.experiment_id}/runs"
    return f"{page}?workflowType=machine_learning&viewStateShareKey={VIEW}"
