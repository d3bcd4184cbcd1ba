"""When a trial is stopped early: Ray Tune's schedulers."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from sweeps.search import SCORE
from sweeps.spec import SweepSpec


class _KeepsBaseline(TrialScheduler):
    """Never stops the baseline: every gain is measured against all of its training."""

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ANN401
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return TrialScheduler.CONTINUE if trial.config["is_baseline"] else decision


class _Asha(_KeepsBaseline, AsyncHyperBandScheduler):
    """ASHA (Li et al., 2018, arXiv:1810.05934)."""


class _Median(_KeepsBaseline, MedianStoppingRule):
    """Stops a trial whose best score is worse than the median of the others' means so far."""


def scheduler(spec: SweepSpec) -> TrialScheduler:
    """Return the scheduler that a spec asks for; time is counted in reports."""
    rules = spec.early_terminate
    if rules.type == "none":
        return FIFOScheduler()
    mode = "min" if spec.metric[0].goal == "minimize" else "max"
    common = {"time_attr": "training_iteration", "metric": SCORE, "mode": mode}
    if rules.type == "median":
        return _Median(**common, grace_period=rules.first_rung)
    return _Asha(
        **common,
        max_t=max(spec.reports_per_trial, rules.first_rung),
        grace_period=rules.first_rung,
        reduction_factor=rules.eta,
    )
