"""Optuna's study of a sweep: in memory while it runs, and in a file once trials have ended."""

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState


class StudyFile(InMemoryStorage):
    """A study in memory, whose trials a SQLite file takes as they end.

    A sampler reads all trials for each parameter that it suggests; a database has it wait for every one. What
    has not ended is known to the ledger, from which a sweep goes on.

    Args:
        file: Where there is one, its trials are the study's, in the order in which they began.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._url = f"sqlite:///{file.resolve()}"
        self._kept: Study | None = None

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Create the study in memory with what the file holds of it; the file is made where there is none."""
        study_id = super().create_new_study(directions, study_name)
        kept = optuna.create_study(
            storage=RDBStorage(self._url),
            study_name=study_name,
            directions=directions,
            load_if_exists=True,
        )
        for trial in sorted(kept.get_trials(), key=_beginning):
            super().create_new_trial(study_id, trial)
        self._kept = kept
        return study_id

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial, which is kept where it has ended already."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._keep(trial_id)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set how a trial stands, and keep it where it has ended."""
        is_set = super().set_trial_state_values(trial_id, state, values)
        self._keep(trial_id)
        return is_set

    def _keep(self, trial_id: int) -> None:
        trial = self.get_trial(trial_id)
        if self._kept is not None and trial.state.is_finished():
            self._kept.add_trial(trial)


def _beginning(trial: FrozenTrial) -> float:
    return trial.datetime_start.timestamp() if trial.datetime_start else 0.0
