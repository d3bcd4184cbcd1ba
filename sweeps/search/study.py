"""Keep Optuna's study of a sweep in a file, for optuna-dashboard and the like."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial
from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from gan_core.errors import in_one_line
from sweeps.errors import SweepError
from sweeps.record.judging import constraints_of
from sweeps.record.ledger import WARM_START
from sweeps.record.past import Past
from sweeps.record.reading import Record, read_ledger
from sweeps.search.replay import SEEDS, TRIAL_ID, earlier_trial, ended_trials
from sweeps.spec.domains import AnyDomain
from sweeps.spec.sections import Metric
from sweeps.spec.space import Space, fixed_values, searched_domains

Goal = Literal["minimize", "maximize"]

FAULTS = (OSError, RuntimeError, ValueError, KeyError, SQLAlchemyError, optuna.exceptions.OptunaError)
"""What Optuna raises if a file is locked, missing, damaged, written by another version, or not a study."""


def bring_up(folder: Path) -> None:
    """Add every ended trial of the search that ``study.db`` in a sweep's folder is missing.

    A file that cannot be read, or that holds a trial which the record does not, is written anew. Nothing but
    people reads the file: a sweep resumes from its record, and its sampler works on a study in memory, since
    samplers read all trials again for each parameter. One process at a time may call this.

    Raises:
        UnknownSweepError: There is no sweep in the folder.
        SweepError: The record cannot be read, or the file cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    record, file = read_ledger(folder.name, folder.parent), folder / "study.db"
    metrics = TypeAdapter(list[Metric]).validate_python(record.facts["spec"]["metric"])
    directions: list[Goal] = [metric.goal for metric in metrics]
    trials = _trials(record, metrics)
    if file.exists() and _is_brought_up(file, directions, trials):
        return
    draft = file.with_name("study.draft.db")
    try:
        for outdated in (draft, file.with_name(f"{file.name}-journal")):
            outdated.unlink(missing_ok=True)
        with _opened(draft, folder.name, directions) as study:
            study.add_trials(trials)
        draft.replace(file)
    except FAULTS as error:
        raise SweepError(f"{file} cannot be written: {in_one_line(error)}") from error


def _is_brought_up(file: Path, directions: Sequence[Goal], trials: Sequence[FrozenTrial]) -> bool:
    """Add what is missing, and return whether the file now holds these trials and no other."""
    with suppress(*FAULTS), _opened(file, file.parent.name, directions) as study:
        known = {_key(trial) for trial in study.get_trials(deepcopy=False)}
        is_ours = known <= {_key(trial) for trial in trials}
        if is_ours and [direction.name.lower() for direction in study.directions] == directions:
            study.add_trials(trial for trial in trials if _key(trial) not in known)
            return True
    return False


def _key(trial: FrozenTrial) -> tuple[Any, ...]:
    """Return what identifies a trial.

    One that is trained again ends at another time, and a further seed changes the value.
    """
    if WARM_START in trial.user_attrs:
        return WARM_START, trial.user_attrs[WARM_START]
    return trial.user_attrs.get(TRIAL_ID), trial.datetime_complete, trial.user_attrs.get(SEEDS)


@contextmanager
def _opened(file: Path, name: str, directions: Sequence[Goal]) -> Iterator[Study]:
    storage = RDBStorage(f"sqlite:///{file.resolve()}")
    try:
        yield optuna.create_study(
            storage=storage, study_name=name, directions=directions, load_if_exists=True
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _trials(record: Record, metrics: Sequence[Metric]) -> list[FrozenTrial]:
    """Return the trials of the record's study: those of an earlier sweep, then the ended ones."""
    if not record.trials:
        return []
    space, constraints = _space(record), constraints_of(record.facts)
    earlier = [earlier_trial(space, content) for content in record.facts.get(WARM_START, [])]
    for number, trial in enumerate(earlier):
        trial.set_user_attr(WARM_START, number)
    return [*earlier, *ended_trials(space, metrics, Past.read(record), earlier, constraints)]


def _space(record: Record) -> Space:
    """Return the searched space; validating the whole spec would import a user's own components."""
    content = record.facts["spec"]["parameters"]
    parameters: dict[str, Any] = TypeAdapter(dict[str, AnyDomain]).validate_python(content)
    return Space(searched_domains(parameters), record.trials[0]["config"] | fixed_values(parameters))
