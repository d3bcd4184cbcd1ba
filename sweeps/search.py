"""What to try next: a spec's search, by Optuna; the only place that imports its samplers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import Trial as OptunaTrial
from optuna.trial import TrialState
from ray.tune.search.optuna import OptunaSearch

from sweeps.ledger import Trial
from sweeps.space import Scalar
from sweeps.spec import SweepSpec
from sweeps.status import Status

SCORE = "score"
WORST_SCORE = 1e6


class Search(OptunaSearch):
    """Ray's bridge to Optuna, which tells the sampler how trials really ended.

    The bridge tells every trial that was not an error COMPLETE with its last score. Here a trial that the
    scheduler stopped is PRUNED at the step it reached, and one that diverged has a finite score no better
    than the worst seen, so that its region is avoided.

    The first trial is the baseline, also where the space does not contain the seed tutorial's defaults; the
    sampler then knows nothing of it.

    Args:
        spec: What to search, and how.
        name: The sweep's name; trials are called after it.
        study_file: The SQLite file that holds Optuna's study.
    """

    def __init__(self, spec: SweepSpec, name: str, study_file: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._spec = spec
        self._name = name
        self._points = spec.first_points()
        inside = [point for point in self._points if _contains(spec, point)]
        self._suggested = 0
        super().__init__(
            space=self._choose,
            metric=SCORE,
            mode="min",
            sampler=_sampler(spec),
            study_name=name,
            storage=RDBStorage(f"sqlite:///{study_file.resolve()}"),
            points_to_evaluate=inside,
        )

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Return the next trial, as a mapping that :func:`trial_of` reads."""
        number = self._suggested
        self._suggested += 1
        outside = number == 0 and not _contains(self._spec, self._spec.baseline)
        params = self._spec.baseline if outside else super().suggest(trial_id)
        return {
            "trial_id": f"{self._name}-{number:04d}",
            "number": number,
            "data": self._spec.data,
            "extractor": self._spec.extractor,
            "stop_on": self._spec.stop_on,
            "cpu": self._spec.resources.cpu,
            "params": params,
            "config": self._spec.trial_config(params, number).model_dump(),
            "is_baseline": number == 0,
        }

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Tell the study the score that a trial has reached."""
        if trial_id in self._ot_trials:
            self._ot_trials[trial_id].report(result[SCORE], result["step"])

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Ray's signature
    ) -> None:
        """Tell the study how a trial ended."""
        trial = self._ot_trials.get(trial_id)
        if trial is None:
            return
        if error or not result:
            self._ot_study.tell(trial, state=TrialState.FAIL)
            return
        status = status_of(result)
        if status is Status.COMPLETED:
            self._ot_study.tell(trial, result[SCORE])
        elif status is Status.DIVERGED:
            trial.set_user_attr("diverged", result["reason"])
            self._ot_study.tell(trial, self._worst_score())
        else:
            trial.report(result[SCORE], result["step"])
            self._ot_study.tell(trial, state=TrialState.PRUNED)

    def close(self) -> None:
        """Tell the study that trials still running were interrupted: it then holds no running trial."""
        for trial in self._ot_trials.values():
            self._ot_study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _choose(self, trial: OptunaTrial) -> dict[str, Scalar]:
        return {name: domain.suggest(trial, name) for name, domain in self._spec.searched.items()}

    def _worst_score(self) -> float:
        reported = [trial.intermediate_values.values() for trial in self._ot_study.get_trials(deepcopy=False)]
        return max((score for scores in reported for score in scores), default=WORST_SCORE)


def trial_of(suggestion: Mapping[str, Any]) -> Trial:
    """Return the trial that a suggestion of :class:`Search` describes."""
    fields = ("trial_id", "number", "params", "config", "is_baseline")
    return Trial(**{field: suggestion[field] for field in fields})


def status_of(result: Mapping[str, Any]) -> Status:
    """Return how a trial ended whose last result this is; one that was not done was stopped early."""
    status = Status(result["status"])
    return status if status.is_finished() else Status.PRUNED


def _contains(spec: SweepSpec, point: Mapping[str, Scalar]) -> bool:
    return all(domain.contains(point[name]) for name, domain in spec.searched.items())


def _sampler(spec: SweepSpec) -> BaseSampler:
    return RandomSampler(seed=spec.seed) if spec.method == "random" else TPESampler(seed=spec.seed)
