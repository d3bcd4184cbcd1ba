"""What to try next: a spec's search, by Optuna; the only place that imports its samplers."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial
from optuna.trial import Trial as OptunaTrial
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from sweeps.ledger import Trial, checkpoint_file
from sweeps.past import Past
from sweeps.space import MOST_POINTS, Scalar
from sweeps.spec import SweepSpec
from sweeps.status import Status
from sweeps.study import StudyFile

SCORE = "score"
WORST_SCORE = 1e6


class Search(OptunaSearch):
    """Ray's bridge to Optuna, which tells the sampler how trials really ended.

    The bridge tells every trial that was not an error COMPLETE with its last score. Here a trial that the
    scheduler stopped is PRUNED at the step it reached, and one that diverged has a finite score no better
    than the worst seen, so that its region is avoided. One that took over another's weights and parameters
    is PRUNED where it did: what came later is not its suggestion's.

    The first trial is the baseline, also where the space does not contain the seed tutorial's defaults; the
    sampler then knows nothing of it. No point is tried twice: of a space of finitely many, those that a
    sampler comes back to are replaced by others, until all have been tried.

    Args:
        spec: What to search, and how.
        name: The sweep's name; trials are called after it.
        study_file: The SQLite file that holds Optuna's study.
        earlier: The folder of an earlier sweep, whose trials the sampler is told of; its space is this one's.
        past: What an earlier run of this sweep has done; its unfinished trials are suggested first.
    """

    def __init__(
        self,
        spec: SweepSpec,
        name: str,
        study_file: Path,
        earlier: Path | None = None,
        past: Past | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spec = spec
        self._name = name
        self._folder = study_file.parent
        self._past = past or Past([], {})
        self._waiting = self._past.unfinished
        self._diverged: list[OptunaTrial] = []
        self._suggested = self._past.n_suggested
        self._untried = _untried(spec, [row["params"] for row in self._past.rows])
        goals = ["min" if metric.goal == "minimize" else "max" for metric in spec.metric]
        super().__init__(
            space=spec.space.suggest,
            metric=[metric.name for metric in spec.metric] if len(goals) > 1 else SCORE,
            mode=goals if len(goals) > 1 else goals[0],
            sampler=_sampler(spec, self._suggested),
            study_name=name,
            storage=StudyFile(study_file),
            points_to_evaluate=_enqueued(spec, [row["params"] for row in self._past.rows]),
        )
        if earlier is not None:
            self._ot_study.add_trials(_told_trials(earlier))

    @property
    def exhausted(self) -> bool:
        """Whether every point of the space has been suggested."""
        return self._untried is not None and not self._untried and not self._waiting

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Return the next trial, as a mapping that :func:`trial_of` reads; FINISHED when there is none."""
        trial = self._next_unfinished(trial_id) or self._next_new(trial_id)
        if trial is None:
            return str(Searcher.FINISHED)
        if trial_id in self._ot_trials:
            self._ot_trials[trial_id].set_user_attr("trial_id", trial.trial_id)
        own = {"stop_on": self._spec.stop_on} | ({"checkpoint_every_s": 0.0} if self._spec.exchanges else {})
        return suggestion(self._spec, self._folder, trial, self._past) | own

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Tell the study the score that a trial has reached with the parameters that were suggested."""
        if trial_id in self._ot_trials and not result.get("donor"):
            self._report(self._ot_trials[trial_id], result)

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
        if result.get("donor"):
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        elif status is Status.COMPLETED:
            self._ot_study.tell(trial, result["objectives"])
        elif status is Status.DIVERGED:
            trial.set_user_attr("diverged", result["reason"])
            self._diverged.append(trial)
        else:
            self._report(trial, result)
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        self._tell_diverged()

    def close(self) -> None:
        """Tell the study that trials still running were interrupted: it then holds no running trial."""
        self._tell_diverged(at_last=True)
        for trial in self._ot_trials.values():
            self._ot_study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _next_unfinished(self, trial_id: str) -> Trial | None:
        """Return a trial to go on with, after making it a running one of the study's again."""
        if not self._waiting:
            return None
        trial = self._waiting.pop(0)
        space, study = self._spec.space, self._ot_study
        if space.contains(trial.params):
            fixed = FixedTrial(space.to_optuna(trial.params))
            space.suggest(fixed)
            study.add_trial(
                create_trial(state=TrialState.RUNNING, params=fixed.params, distributions=fixed.distributions)
            )
            added = study.get_trials(deepcopy=False)[-1]
            self._ot_trials[trial_id] = OptunaTrial(study, added._trial_id)  # noqa: SLF001 - Optuna's only way
        return trial

    def _next_new(self, trial_id: str) -> Trial | None:
        number = self._suggested
        params = self._next_params(trial_id) if number < self._spec.trials else None
        if params is None:
            return None
        self._suggested += 1
        config = self._spec.trial_config(params, number).model_dump()
        return Trial(f"{self._name}-{number:04d}", number, params, config, is_baseline=number == 0)

    def _next_params(self, trial_id: str) -> dict[str, Scalar] | None:
        """Return what to try next, or None where everything has been tried."""
        baseline = self._spec.baseline
        if self._suggested == 0 and not self._spec.space.contains(baseline):
            return baseline
        if self._untried is None:
            return self._asked(trial_id)
        if not self._untried:
            return None
        params = self._asked(trial_id)
        if params not in self._untried:
            self._ot_study.tell(self._ot_trials.pop(trial_id), state=TrialState.FAIL)
            self._ot_study.enqueue_trial(self._spec.space.to_optuna(self._untried[0]))
            params = self._asked(trial_id)
        if params not in self._untried:
            self._ot_study.tell(self._ot_trials.pop(trial_id), state=TrialState.FAIL)
            params = self._untried[0]
        self._untried.remove(params)
        return params

    def _asked(self, trial_id: str) -> dict[str, Scalar]:
        """Ask Optuna, with a sampler of the trial's own: it then depends on the study and nothing else.

        That it takes its time is no news.
        """
        self._ot_study.sampler = _sampler(self._spec, self._suggested)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Define-by-run function")
            warnings.filterwarnings("ignore", module="optuna")
            params: dict[str, Scalar] = OptunaSearch.suggest(self, trial_id)
        return params

    def _report(self, trial: OptunaTrial, result: Mapping[str, Any]) -> None:
        """Report a trial's score; Optuna takes none of several metrics."""
        if len(self._spec.metric) == 1:
            trial.report(result[SCORE], result["step"])

    def _tell_diverged(self, *, at_last: bool = False) -> None:
        """Tell the scores of trials that diverged once there are others to be no better than."""
        if not self._diverged:
            return
        trials = self._ot_study.get_trials(deepcopy=False)
        if at_last or any(_values(trial, 0) for trial in trials):
            for trial in self._diverged:
                self._ot_study.tell(trial, self._worst_scores())
            self._diverged.clear()

    def _worst_scores(self) -> list[float]:
        """Return, for each metric, a value no better than the worst seen."""
        trials = self._ot_study.get_trials(deepcopy=False)
        return [
            _worst(metric.goal, [value for trial in trials for value in _values(trial, index)])
            for index, metric in enumerate(self._spec.metric)
        ]


def _told_trials(folder: Path) -> list[FrozenTrial]:
    """Return the trials of a sweep that its sampler was told a score of."""
    study = optuna.load_study(study_name=folder.name, storage=f"sqlite:///{(folder / 'study.db').resolve()}")
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _values(trial: FrozenTrial, index: int) -> list[float]:
    """Return what a trial was told of the metric at ``index``."""
    told = [trial.values[index]] if trial.state is TrialState.COMPLETE and trial.values else []
    return [*told, *trial.intermediate_values.values()] if index == 0 else told


def _worst(goal: str, values: list[float]) -> float:
    if goal == "minimize":
        return max(values, default=WORST_SCORE)
    return min([*values, 0.0])


def _enqueued(spec: SweepSpec, tried: list[dict[str, Scalar]]) -> list[dict[str, Scalar]]:
    """Return what is tried first, of what lies in the space and was not tried yet, in Optuna's terms."""
    points = [point for point in spec.first_points() if spec.space.contains(point) and point not in tried]
    return [spec.space.to_optuna(point) for point in points]


def _untried(spec: SweepSpec, tried: list[dict[str, Scalar]]) -> list[dict[str, Scalar]] | None:
    """Return the points of a space of finitely many but for those tried, shuffled; None for another space."""
    size = spec.space.size()
    points = spec.space.points() if size is not None and size <= MOST_POINTS else None
    if points is None:
        return None
    shuffled = [point for point in points if point not in tried]
    Random(spec.seed).shuffle(shuffled)  # noqa: S311 - no secret
    return shuffled


def suggestion(spec: SweepSpec, folder: Path, trial: Trial, past: Past) -> dict[str, Any]:
    """Return what a worker trains a trial from, as a mapping that :func:`trial_of` reads."""
    return {
        **asdict(trial),
        "checkpoint_every_s": spec.checkpoint_every,
        "taken_over": past.taken_over(trial.trial_id),
        "checkpoint": str(checkpoint_file(folder, trial.trial_id).absolute()),
        "sends_weights": True,
        "best": past.best_metrics(trial.trial_id),
        "data": spec.data,
        "extractor": spec.extractor,
        "metrics": [metric.model_dump() for metric in spec.metric],
        "stop_on": [],
        "cpu": spec.resources.cpu,
    }


def trial_of(suggestion: Mapping[str, Any]) -> Trial:
    """Return the trial that a suggestion describes."""
    return Trial(**{field.name: suggestion[field.name] for field in fields(Trial)})


def status_of(result: Mapping[str, Any]) -> Status:
    """Return how a trial ended whose last result this is; one that was not done was stopped early."""
    status = Status(result["status"])
    return status if status.is_finished() else Status.PRUNED


def _sampler(spec: SweepSpec, number: int) -> BaseSampler:
    """Return Optuna's sampler for one trial; a grid is every point, in the order that is drawn at random."""
    seed = int.from_bytes(sha256(f"{spec.seed}/{number}/sampler".encode()).digest()[:4], "big")
    if spec.method == "gp":
        return GPSampler(seed=seed)
    if spec.method == "cmaes":
        return CmaEsSampler(seed=seed)
    if spec.method == "nsga2":
        return NSGAIISampler(seed=seed)
    if spec.method in {"random", "grid"}:
        return RandomSampler(seed=seed)
    has_conditions = any(domain.when for domain in spec.searched.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, group=has_conditions)
