"""Suggest the next trial: Ray Tune's bridge to Optuna, with every trial in its true final state."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import Trial as OptunaTrial
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from sweeps.record.past import UNFINISHED, Past
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.search.penalty import WorstScores, WorstViolations
from sweeps.search.points import untried_points
from sweeps.search.replay import (
    DIVERGED,
    TRIAL_ID,
    earlier_trial,
    last_result,
    reported_scores,
    scores_of,
    set_constraints,
)
from sweeps.search.samplers import (
    SamplerError,
    check_suggestion,
    keeps_state,
    naming_the_sampler,
    sampler_for,
)
from sweeps.search.seeds import FurtherSeeds
from sweeps.search.suggestion import SCORE, metrics_of, status_of, suggestion
from sweeps.spec.domains import Scalar
from sweeps.spec.model import SweepSpec


class Search(OptunaSearch):
    """Ray's bridge to Optuna, which gives the sampler every trial in its true final state.

    Ray's own bridge ends every trial without an error as COMPLETE with its last score. Here a trial that the
    scheduler stopped is PRUNED at the step it reached. A trial that diverged has the worst score seen so far,
    so that the sampler avoids its region. A trial that took over another trial's weights and parameters is
    PRUNED at that step: its later reports do not belong to the suggested parameters.

    The first trial is the baseline. If the space does not contain the defaults, the sampler
    is not given the baseline. No point of a finite space is tried twice: if a sampler suggests a point again,
    an untried one replaces it, until all points have been tried.

    With ``early_terminate: {seeds: N}``, the last trials train leading configurations on further seeds
    (:mod:`sweeps.search.seeds`). The sampler is not given such a trial: the mean over the seeds becomes the
    value of the configuration's first trial.

    Args:
        spec: The sweep.
        name: The sweep's name, with which the names of its trials begin.
        folder: The sweep's folder.
        earlier: The trials of an earlier sweep of the same space, as
            :func:`sweeps.search.warmstart.scored_trials` returns them.
        past: The trials of an earlier run of this sweep; unfinished ones are suggested first.
        extractor: The SHA-256 of the extractor, if it is known yet.
        used: Returns the share of the time budget that is used up, from 0 to 1.
        first_points: Points of the space to try after those of the spec.

    Attributes:
        fault: The error of the sampler that stops the sweep, or None.
    """

    def __init__(
        self,
        spec: SweepSpec,
        name: str,
        folder: Path,
        earlier: Sequence[Mapping[str, Any]] = (),
        past: Past | None = None,
        extractor: str | None = None,
        used: Callable[[], float] | None = None,
        first_points: Sequence[Mapping[str, Scalar]] = (),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spec = spec
        self._name = name
        self._folder = folder
        self._past = past or Past([], {})
        self._waiting = self._past.unfinished
        self._running: dict[str, Trial] = {}
        self._to_retry: dict[str, OptunaTrial] = {}
        self._diverged: list[OptunaTrial] = []
        self.fault: SamplerError | None = None
        tried = [row["params"] for row in self._past.rows]
        suggested = {row["number"] for row in self._past.rows}
        self._numbers = [number for number in range(spec.trials - 1, -1, -1) if number not in suggested]
        self._untried = untried_points(spec, tried)
        self._seeds = FurtherSeeds(spec, extractor, used)
        goals = ["min" if metric.goal == "minimize" else "max" for metric in spec.metric]
        super().__init__(
            space=spec.space.suggest,
            metric=[metric.name for metric in spec.metric] if len(goals) > 1 else SCORE,
            mode=goals if len(goals) > 1 else goals[0],
            sampler=sampler_for(spec, 0),
            study_name=name,
            storage=InMemoryStorage(),
        )
        self._worst = WorstScores(spec.metric)
        self._violations = WorstViolations(spec.parsed_constraints)
        for content in earlier:
            self._add_earlier(content)
        for row, trial in zip(self._past.rows, self._past.trials, strict=True):
            self._seeds.replay(trial, row)
            if trial.of:
                self._tell_mean(trial.of)
            elif spec.space.contains(row["params"]):
                self._replay(row)
        own = spec.first_points()[0 in suggested :]
        for point in _untried([*own, *first_points], spec, tried):
            self._ot_study.enqueue_trial(point)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune saves its searcher for a restore that is not used here."""
        return {}

    @property
    def exhausted(self) -> bool:
        """Whether every point of the space has been suggested, on every seed that it needs."""
        if not self._all_tried or self._waiting:
            return False
        return not (self._numbers and self._seeds.can_follow(all_tried=True))

    @property
    def _all_tried(self) -> bool:
        """Whether every point of a finite space has been suggested."""
        return self._untried is not None and not self._untried

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next trial, as a mapping that :func:`trial_of` reads; FINISHED if no trial is left.

        None means that Tune must ask again later: a trial that runs may have to be suggested again, or the
        sampler raised, and :meth:`check` stops the sweep.
        """
        if self.fault is not None:
            return None
        try:
            trial = self._next_unfinished(trial_id) or self._next_new(trial_id)
        except SamplerError as error:
            self.fault = error
            return None
        if trial is None:
            return None if self._running else str(Searcher.FINISHED)
        self._running[trial_id] = trial
        self._seeds.start(trial)
        if trial_id in self._ot_trials:
            self._ot_trials[trial_id].set_user_attr(TRIAL_ID, trial.trial_id)
        own = {"stop_on": [] if trial.of else self._spec.stop_on} | (
            {"checkpoint_every_s": 0.0} if self._spec.is_population_based else {}
        )
        return suggestion(self._spec, self._folder, trial, self._past) | own

    def check(self) -> None:
        """Raise the error of the sampler that stops the sweep: Tune would print it as a fault of its own."""
        if self.fault is not None:
            raise self.fault

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Report a trial's score to the study while the trial has the suggested parameters."""
        if trial_id in self._ot_trials and not result.get("donor"):
            self._report(self._ot_trials[trial_id], result)

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Ray's signature
    ) -> None:
        """End a trial in the study; the recorder calls :meth:`retry` or :meth:`give_up` after a failure."""
        if error:
            return
        ended = self._running.pop(trial_id, None)
        if trial_id in self._ot_trials:
            self._tell(self._ot_trials[trial_id], result)
        if ended:
            self._seeds.end(ended, result)
            self._tell_mean(ended.of)

    def retry(self, trial_id: str, past: Past) -> None:
        """Suggest a failed trial again, which resumes from ``past``; it stays running in the study."""
        self._past = past
        failed = self._running.pop(trial_id)
        self._waiting.insert(0, past.trial(failed.trial_id))
        if trial_id in self._ot_trials:
            self._to_retry[failed.trial_id] = self._ot_trials.pop(trial_id)

    def give_up(self, trial_id: str) -> None:
        """End a trial in the study as failed."""
        self._seeds.end(self._running.pop(trial_id), None)
        if trial_id in self._ot_trials:
            self._tell(self._ot_trials[trial_id], None)

    def _tell(self, trial: OptunaTrial, result: Mapping[str, Any] | None) -> None:
        """End a trial in the study with its last result; None if the trial failed."""
        if not result:
            self._ot_study.tell(trial, state=TrialState.FAIL)
            return
        status = status_of(result)
        if status is not Status.DIVERGED:
            self._constrain(trial, self._violations.violations(metrics_of(result)))
        if result.get("donor"):
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        elif status is Status.COMPLETED:
            self._worst.add(result["objectives"])
            self._ot_study.tell(trial, result["objectives"])
        elif status is Status.DIVERGED:
            trial.set_user_attr(DIVERGED, result["reason"])
            self._diverged.append(trial)
        else:
            self._report(trial, result)
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        self._tell_diverged()

    def _constrain(self, trial: OptunaTrial, violations: Mapping[str, float]) -> None:
        """Give a trial its violations of constraints, if the sampler does not warn that it ignores them."""
        if self._spec.method != "cmaes":
            set_constraints(trial, violations)

    def _tell_mean(self, first: str | None) -> None:
        """Make the mean over a configuration's seeds the value of its first trial in the study.

        Optuna does not change the value of a finished trial, so the value is replaced in the study in memory.
        """
        mean = None if first is None else self._seeds.mean_score(first)
        if mean is None:
            return
        for trial in self._ot_study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
            if trial.user_attrs.get(TRIAL_ID) == first:
                trial.value = mean

    def close(self) -> None:
        """End the trials that still run in the study as failed."""
        self._tell_diverged(at_last=True)
        for trial in (*self._ot_trials.values(), *self._to_retry.values()):
            self._ot_study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a sweep resumes from its record."""

    def _next_unfinished(self, trial_id: str) -> Trial | None:
        """Return an unfinished trial to resume, or None; the study's running trial gets Tune's new ID."""
        if not self._waiting:
            return None
        trial = self._waiting.pop(0)
        if trial.trial_id in self._to_retry:
            self._ot_trials[trial_id] = self._to_retry.pop(trial.trial_id)
        return trial

    def _replay(self, row: Mapping[str, Any]) -> None:
        """Add a trial of an earlier run to the study as if it had been suggested and ended just now."""
        study, spec = self._ot_study, self._spec
        study.sampler = sampler_for(spec, row["number"]) if keeps_state(spec) else RandomSampler(seed=0)
        study.enqueue_trial(row["drawn"] or spec.space.optuna_params(row["params"]))
        trial = study.ask()
        spec.space.suggest(trial)
        trial.set_user_attr(TRIAL_ID, row["trial_id"])
        for result in reported_scores(row, self._past, spec.metric):
            self._report(trial, result)
        if row["status"] in UNFINISHED:
            self._to_retry[row["trial_id"]] = trial
        else:
            self._tell(trial, None if row["status"] == Status.CRASHED else last_result(row, spec.metric))

    def _next_new(self, trial_id: str) -> Trial | None:
        if not self._numbers:
            return None
        number = self._numbers[-1]
        seed = self._seeds.next(self._name, number, all_tried=self._all_tried)
        if seed is not None:
            self._numbers.pop()
            return seed
        params = self._next_params(trial_id, number)
        if params is None:
            return None
        self._numbers.pop()
        config = self._spec.trial_values(params, number)
        drawn = self._ot_trials[trial_id].params if trial_id in self._ot_trials else {}
        name, is_baseline = f"{self._name}-{number:04d}", number == 0
        return Trial(name, number, params, config, is_baseline, drawn=drawn or None)

    def _next_params(self, trial_id: str, number: int) -> dict[str, Scalar] | None:
        """Return the parameters to try next, or None if every point has been tried."""
        baseline = self._spec.baseline
        if number == 0 and not self._spec.space.contains(baseline):
            return baseline
        if self._untried is None:
            return self._sampled(trial_id, number)
        if not self._untried:
            return None
        params = self._sampled(trial_id, number)
        if params not in self._untried:
            self._ot_study.tell(self._ot_trials.pop(trial_id), state=TrialState.FAIL)
            self._ot_study.enqueue_trial(self._spec.space.optuna_params(self._untried.first))
            params = self._sampled(trial_id, number)
        if params not in self._untried:
            self._ot_study.tell(self._ot_trials.pop(trial_id), state=TrialState.FAIL)
            params = self._untried.first
        self._untried.remove(params)
        return params

    def _sampled(self, trial_id: str, number: int) -> dict[str, Scalar]:
        """Return parameters from a sampler of the trial's own, so that they depend on the study alone.

        Raises:
            SamplerError: The sampler raised, or suggested a value outside of the space.
        """
        self._ot_study.sampler = sampler_for(self._spec, number)
        with naming_the_sampler(self._spec.method):
            params: dict[str, Scalar] = OptunaSearch.suggest(self, trial_id)
            check_suggestion(self._spec, params)
        return params

    def _report(self, trial: OptunaTrial, result: Mapping[str, Any]) -> None:
        """Report a trial's score, once for each step; Optuna takes no reports for several metrics."""
        frozen = self._ot_study._storage.get_trial(trial._trial_id)  # noqa: SLF001 - Optuna's copies are slow
        if len(self._spec.metric) == 1 and result["step"] not in frozen.intermediate_values:
            self._worst.add([result[SCORE]])
            trial.report(result[SCORE], result["step"])

    def _tell_diverged(self, *, at_last: bool = False) -> None:
        """End the trials that diverged in the study, once another trial has a score."""
        if not self._diverged:
            return
        if at_last or self._worst.is_known:
            for trial in self._diverged:
                self._constrain(trial, self._violations.values)
                self._ot_study.tell(trial, self._worst.values)
            self._diverged.clear()

    def _add_earlier(self, content: Mapping[str, Any]) -> None:
        """Give the sampler a trial of an earlier sweep."""
        trial = earlier_trial(self._spec.space, content)
        self._ot_study.add_trial(trial)
        for scores in scores_of(trial):
            self._worst.add(scores)
        self._violations.add(trial.constraints)


def _untried(
    points: Sequence[Mapping[str, Scalar]], spec: SweepSpec, tried: list[dict[str, Scalar]]
) -> list[dict[str, Scalar]]:
    """Return Optuna's parameters of the untried points that lie in the space.

    The caller leaves the baseline out once the sweep has one: an earlier version may have chosen other values
    for it.
    """
    return [
        spec.space.optuna_params(point)
        for point in points
        if spec.space.contains(point) and point not in tried
    ]
