"""Stop trials early, or let them exchange weights: Ray Tune's schedulers under this project's rules."""

import random
from dataclasses import dataclass
from functools import partial
from math import ceil, inf
from random import Random
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)
from ray.tune.schedulers.pbt import _PBTTrialState

from sweeps.record.past import Past
from sweeps.search.suggestion import SCORE
from sweeps.spec.domains import Choice, Domain, Scalar
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Metric
from sweeps.spec.space import RandomTrial

TIME = "reports"
REPORTED = "reported"


@dataclass(frozen=True)
class _Named:
    """A trial with the sweep's name for it; Tune names trials anew in each run."""

    trial_id: str


def _is_further_seed(trial: Trial) -> bool:
    """Return whether a trial repeats a configuration on a further seed."""
    return bool(trial.config.get("of"))


class _OwnRules(TrialScheduler):
    """Knows trials by the sweep's names, so that an earlier run can be replayed, and spares the baseline.

    The baseline is never stopped: every gain is measured against the whole training of the baseline. A
    training of a configuration on a further seed is neither stopped nor compared with other trials. If a
    trial resumes after its worker died, reports that it makes again are not judged again.
    """

    def __init__(self, **rules: Any) -> None:  # noqa: ANN401
        super().__init__(**rules)
        self._judged: dict[str, int] = {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401
        if not _is_further_seed(trial):
            super().on_trial_add(tune_controller, _Named(trial.config["trial_id"]))

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ANN401
        if _is_further_seed(trial):
            return str(TrialScheduler.CONTINUE)
        named = _Named(trial.config["trial_id"])
        if result[TIME] <= self._judged.get(named.trial_id, 0):
            return str(TrialScheduler.CONTINUE)
        self._judged[named.trial_id] = result[TIME]
        decision = self._judge(tune_controller, named, result)
        return TrialScheduler.CONTINUE if trial.config["is_baseline"] else decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:  # noqa: ANN401
        if not _is_further_seed(trial):
            super().on_trial_complete(tune_controller, _Named(trial.config["trial_id"]), result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401
        if not _is_further_seed(trial):
            super().on_trial_remove(tune_controller, _Named(trial.config["trial_id"]))

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401
        if not _is_further_seed(trial):
            super().on_trial_error(tune_controller, _Named(trial.config["trial_id"]))

    def replay(self, past: Past, metric: Metric) -> None:
        """Judge the reports of an earlier run in order, so that the rungs are as they were.

        A report of an earlier version may have a score that was not finite, which the record holds as None.
        """
        better = min if metric.goal == "minimize" else max
        for row, reports in past.judged_reports():
            if row["of"]:
                continue
            named = _Named(row["trial_id"])
            super().on_trial_add(None, named)
            scores: list[float] = []
            for report in reports:
                if report[metric.name] is not None:
                    scores.append(report[metric.name])
                reached = ceil(report["step"] / row["config"]["report_every"])
                self._judged[named.trial_id] = reached
                if scores:
                    self._judge(None, named, {TIME: reached, SCORE: better(scores)})

    def _judge(self, tune_controller: Any, named: _Named, result: dict[str, Any]) -> str:  # noqa: ANN401
        decision: str = super().on_trial_result(tune_controller, named, result)
        return decision


class _Asha(_OwnRules, AsyncHyperBandScheduler):
    """ASHA (Li et al., 2018, arXiv:1810.05934)."""


class _Median(_OwnRules, MedianStoppingRule):
    """Stops a trial if its best score is worse than the median of the other trials' running means.

    Ray's rule counts the last result of every ended trial as one more report. Here each report counts once,
    and the last result of a trial that diverged does not count.
    """

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:  # noqa: ANN401
        if result.get(TIME, 0) > self._judged.get(trial.config["trial_id"], 0):
            super().on_trial_complete(tune_controller, trial, result)

    def _judge(self, tune_controller: Any, named: _Named, result: dict[str, Any]) -> str:  # noqa: ANN401
        decision = super()._judge(tune_controller, named, result)
        self._stopped_trials.clear()
        return decision


class _Population(PopulationBasedTraining):
    """Population based training (Jaderberg et al., 2017, arXiv:1711.09846).

    At fixed intervals a trial among the worst, by its last report, takes over the weights of one of the best
    trials, and its parameters with small random changes. Others may take over from the baseline, which itself
    takes over nothing: every gain is measured against the whole training of the baseline.

    Ray does not combine this scheduler with searchers, because parameters change during a trial. Here
    :class:`sweeps.search.searcher.Search` ignores reports after a take-over.
    """

    def __init__(self, spec: SweepSpec, past: Past, mode: str) -> None:
        self._spec = spec
        self._past = past
        self._rng = Random(f"{spec.seed}/{past.n_take_overs}/population")  # noqa: S311 - no secret
        mutations = {
            name: domain.all_values() if isinstance(domain, Choice) else partial(self._drawn, domain)
            for name, domain in spec.searched.items()
        }
        super().__init__(
            hyperparam_mutations={"params": mutations},
            perturbation_interval=spec.early_terminate.first_rung,
            quantile_fraction=1 / spec.early_terminate.eta,
            log_config=False,
            time_attr=TIME,
            metric=REPORTED,
            mode=mode,
        )

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401, ARG002
        state = _PBTTrialState(trial)
        reached = trial.config["reported_step"] // trial.config["config"]["report_every"]
        state.last_train_time = state.last_perturbation_time = reached
        self._trial_state[trial] = state

    def _checkpoint_or_exploit(self, trial: Trial, *others: Any) -> None:  # noqa: ANN401
        outside = random.getstate()
        random.setstate(self._rng.getstate())
        try:
            super()._checkpoint_or_exploit(trial, *others)
        finally:
            self._rng.setstate(random.getstate())
            random.setstate(outside)

    def _exploit(self, tune_controller: Any, trial: Trial, trial_to_clone: Trial) -> None:  # noqa: ANN401
        if not trial.config["is_baseline"]:
            super()._exploit(tune_controller, trial, trial_to_clone)

    def _get_new_config(self, trial: Trial, trial_to_clone: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the trial's own suggestion with the changed parameters of the trial that it takes over.

        A parameter that is not set there has the value of the hyperparameter that it then equals, as ``lr_d``
        equals ``lr``, or is drawn anew.
        """
        known = {
            name: self._set_value(name, trial_to_clone.config["config"]) if value is None else value
            for name, value in trial_to_clone.config["params"].items()
        }
        explored, operations = super()._get_new_config(trial, SimpleNamespace(config={"params": known}))
        params = {
            name: self._spec.searched[name].nearest(value) for name, value in explored["params"].items()
        }
        config = self._spec.trial_values(params, trial.config["number"])
        return {**trial.config, "params": params, "config": config, "best": {}}, operations

    def _set_value(self, name: str, config: dict[str, Any]) -> Scalar:
        """Return a value for a parameter that a config leaves unset."""
        other = self._spec.hyperparameters[name].same_as
        value: Scalar | None = None if other is None else config[other]
        return self._drawn(self._spec.searched[name]) if value is None else value

    def _drawn(self, domain: Domain) -> Scalar:
        return domain.suggest(RandomTrial(random), "")  # type: ignore[arg-type] # it chooses as Optuna's do


def scheduler(spec: SweepSpec, past: Past | None = None) -> TrialScheduler:
    """Return the scheduler of a spec, with an earlier run replayed; it measures time in reports."""
    rules = spec.early_terminate
    if rules.type == "none":
        return FIFOScheduler()
    mode = "min" if spec.metric[0].goal == "minimize" else "max"
    if spec.is_population_based:
        return _Population(spec, past or Past([], {}), mode)
    common = {"time_attr": TIME, "metric": SCORE, "mode": mode, "grace_period": rules.first_rung}
    if rules.type == "median":
        judge: _OwnRules = _Median(**common, min_time_slice=inf)
    else:
        longest = max(spec.reports_per_trial, rules.first_rung)
        judge = _Asha(**common, max_t=longest, reduction_factor=rules.eta)
    if past is not None:
        judge.replay(past, spec.metric[0])
    return judge
