"""When a trial is stopped early: Ray Tune's schedulers."""

from dataclasses import dataclass
from math import ceil, inf
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from sweeps.past import Past
from sweeps.search import SCORE
from sweeps.spec import Metric, SweepSpec

TIME = "reports"


@dataclass(frozen=True)
class _Named:
    """A trial under the sweep's own name for it, which outlives Tune's."""

    trial_id: str


class _OwnRules(TrialScheduler):
    """Knows trials by their names, so that it can be told of an earlier run's, and spares the baseline.

    The baseline is never stopped: every gain is measured against all of its training.
    """

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401
        super().on_trial_add(tune_controller, _Named(trial.config["trial_id"]))

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ANN401
        named = _Named(trial.config["trial_id"])
        decision = self._judge(tune_controller, named, result)
        return TrialScheduler.CONTINUE if trial.config["is_baseline"] else decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:  # noqa: ANN401
        super().on_trial_complete(tune_controller, _Named(trial.config["trial_id"]), result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401
        super().on_trial_remove(tune_controller, _Named(trial.config["trial_id"]))

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:  # noqa: ANN401
        super().on_trial_error(tune_controller, _Named(trial.config["trial_id"]))

    def replay(self, past: Past, metric: Metric) -> None:
        """Judge the reports of an earlier run again, as if nothing had happened."""
        better = min if metric.goal == "minimize" else max
        for row, reports in past.judged_reports():
            named = _Named(row["trial_id"])
            super().on_trial_add(None, named)
            scores: list[float] = []
            for report in reports:
                scores.append(report[metric.name])
                reached = ceil(report["step"] / row["config"]["report_every"])
                self._judge(None, named, {TIME: reached, SCORE: better(scores)})

    def _judge(self, tune_controller: Any, named: _Named, result: dict[str, Any]) -> str:  # noqa: ANN401
        decision: str = super().on_trial_result(tune_controller, named, result)
        return decision


class _Asha(_OwnRules, AsyncHyperBandScheduler):
    """ASHA (Li et al., 2018, arXiv:1810.05934)."""


class _Median(_OwnRules, MedianStoppingRule):
    """Stops a trial whose best score is worse than the median of the others' means so far."""

    def _judge(self, tune_controller: Any, named: _Named, result: dict[str, Any]) -> str:  # noqa: ANN401
        decision = super()._judge(tune_controller, named, result)
        self._stopped_trials.clear()
        return decision


def scheduler(spec: SweepSpec, past: Past | None = None) -> TrialScheduler:
    """Return the scheduler that a spec asks for, told of an earlier run; time is counted in reports."""
    rules = spec.early_terminate
    if rules.type == "none":
        return FIFOScheduler()
    mode = "min" if spec.metric[0].goal == "minimize" else "max"
    common = {"time_attr": TIME, "metric": SCORE, "mode": mode, "grace_period": rules.first_rung}
    if rules.type == "median":
        judge: _OwnRules = _Median(**common, min_time_slice=inf)
    else:
        longest = max(spec.reports_per_trial, rules.first_rung)
        judge = _Asha(**common, max_t=longest, reduction_factor=rules.eta)
    if past is not None:
        judge.replay(past, spec.metric[0])
    return judge
