"""Optuna's study of a sweep: in memory while it runs, and in a file for people who open it."""

from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from gan_core.errors import in_one_line
from sweeps.seals import set_aside

BROKEN = (SQLAlchemyError, optuna.exceptions.StorageInternalError, ValueError, KeyError)
"""What Optuna raises of a file that is locked, gone, damaged or somebody else's."""


class KeptStudy(InMemoryStorage):
    """A study in memory, of whose trials a SQLite file is given those that end.

    A sampler reads all trials for each parameter that it suggests; a database has it wait for every one. The
    file is for Optuna's dashboard and the like: nothing is read from it, the ledger is what a sweep goes on
    from.

    Args:
        file: The SQLite file.

    Attributes:
        failure: Why the file lacks trials, or None; it is brought up again when the sweep goes on.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._kept: Study | None = None
        self.failure: str | None = None

    def keep(self, study: Study) -> str | None:
        """Bring the file up to the study, from now on too; return what was wrong with it, or None.

        A file that is damaged, or that has trials which the study has not, is put aside and written again.
        """
        ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        remark = None
        try:
            known = self._opened(study)
            missing = Counter(map(_told, known.get_trials(deepcopy=False)))
        except BROKEN as error:
            remark = f"is damaged ({type(error).__name__})"
        else:
            if (missing - Counter(map(_told, ended))).keys() - {None}:
                remark = "has trials that the ledger has not"
        if remark is not None:
            aside = set_aside(self._file, "study.damaged.db")
            remark = f"{self._file} {remark}: it is kept as {aside.name}, and written again from the ledger"
            known, missing = self._opened(study), Counter()
        for trial in ended:
            if missing[_told(trial)]:
                missing[_told(trial)] -= 1
            else:
                known.add_trial(trial)
        self._kept = known
        return remark

    def set_trial_state_values(
        self,
        trial_id: int,
        state: TrialState,
        values: Any = None,  # noqa: ANN401 - Optuna's signature
    ) -> bool:
        """Set how a trial stands, and keep it where it has ended."""
        is_set = super().set_trial_state_values(trial_id, state, values)
        if self._kept is not None and state.is_finished():
            try:
                self._kept.add_trial(self.get_trial(trial_id))
            except BROKEN as error:
                self._kept = None
                self.failure = f"{self._file} takes no trials any more: {in_one_line(error)}"
        return is_set

    def _opened(self, study: Study) -> Study:
        return optuna.create_study(
            storage=RDBStorage(f"sqlite:///{self._file.resolve()}"),
            study_name=study.study_name,
            directions=study.directions,
            load_if_exists=True,
        )


def _told(trial: FrozenTrial) -> tuple[Any, ...] | None:
    """Return what a sampler was told of a trial; None of one that failed, which tells nothing."""
    if trial.state is TrialState.FAIL:
        return None
    scores = *(trial.values or ()), *trial.intermediate_values.items()
    return trial.state, *sorted(trial.params.items()), *scores
