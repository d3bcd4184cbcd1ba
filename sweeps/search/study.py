"""Optuna's study of a sweep: in memory while it runs, and in a file for people who open it."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from gan_core.errors import in_one_line
from sweeps.record.seals import set_aside

BROKEN = (SQLAlchemyError, optuna.exceptions.StorageInternalError, ValueError, KeyError)
"""What Optuna raises of a file that is locked, gone, damaged or somebody else's."""

DIVERGED = "diverged"
"""The attribute of a trial that diverged, which has no score of its own."""

_ENDED = [state for state in TrialState if state.is_finished()]


class KeptStudy(InMemoryStorage):
    """A study in memory, of whose trials a SQLite file is given those that end, by a thread of its own.

    A sampler reads all trials for each parameter that it suggests; a database has it wait for every one. The
    file is for Optuna's dashboard and the like: nothing is read from it and nothing waits for it but
    :meth:`close`; the ledger is what a sweep goes on from.

    Args:
        file: The SQLite file.

    Attributes:
        remarks: What was wrong with the file; complete once it is closed.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._writer: ThreadPoolExecutor | None = None
        self._kept: Study | None = None
        self.remarks: list[str] = []

    def __getstate__(self) -> dict[Any, Any]:
        """Leave everything out: Tune saves its searcher for a restore that is not used here."""
        return {}

    def keep(self, study: Study) -> None:
        """Have the file brought up to the study, from now on too.

        One that is damaged, or that has trials which the study has not, is put aside and written again.
        """
        self._writer = ThreadPoolExecutor(1, "study")
        self._writer.submit(self._attempt, self._bring_up, study, study.get_trials(states=_ENDED))

    def set_trial_state_values(
        self,
        trial_id: int,
        state: TrialState,
        values: Any = None,  # noqa: ANN401 - Optuna's signature
    ) -> bool:
        """Set how a trial stands, and keep it where it has ended."""
        is_set = super().set_trial_state_values(trial_id, state, values)
        if self._writer and state.is_finished():
            self._writer.submit(self._attempt, self._add, self.get_trial(trial_id))
        return is_set

    def close(self) -> None:
        """Wait until the file has all trials that have ended, or does not take them."""
        if self._writer:
            self._writer.shutdown()

    def _attempt(self, job: Callable[..., None], *arguments: object) -> None:
        """Write to the file; once it has refused, no more."""
        try:
            job(*arguments)
        except Exception as error:  # noqa: BLE001 - told at the end; nothing depends on the file
            self._kept = None
            self.remarks.append(f"{self._file} takes no trials any more: {in_one_line(error)}")

    def _add(self, trial: FrozenTrial) -> None:
        if self._kept:
            self._kept.add_trial(trial)

    def _bring_up(self, study: Study, ended: Sequence[FrozenTrial]) -> None:
        remark = None
        try:
            known = self._opened(study)
            missing = Counter(map(_told, known.get_trials(deepcopy=False)))
        except BROKEN as error:
            remark = f"was damaged ({type(error).__name__})"
        else:
            if (missing - Counter(map(_told, ended))).keys() - {None}:
                remark = "had trials that the ledger has not"
        if remark is not None:
            aside = set_aside(self._file, "study.damaged.db")
            known, missing = self._opened(study), Counter()
            self.remarks.append(
                f"{self._file} {remark}: it is kept as {aside.name}, and written again from the ledger"
            )
        for trial in ended:
            if missing[_told(trial)]:
                missing[_told(trial)] -= 1
            else:
                known.add_trial(trial)
        self._kept = known

    def _opened(self, study: Study) -> Study:
        return optuna.create_study(
            storage=RDBStorage(f"sqlite:///{self._file.resolve()}"),
            study_name=study.study_name,
            directions=study.directions,
            load_if_exists=True,
        )


def _told(trial: FrozenTrial) -> tuple[Any, ...] | None:
    """Return what a sampler was told of a trial; None of one that failed, which tells nothing.

    Of one that diverged it is the worst score of any, which differs as other trials end before it or after.
    """
    if trial.state is TrialState.FAIL:
        return None
    values = () if DIVERGED in trial.user_attrs else trial.values or ()
    return trial.state, *sorted(trial.params.items()), *values, *trial.intermediate_values.items()
