"""When a trial is stopped early: Ray Tune's schedulers."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from sweeps.search import SCORE
from sweeps.spec import SweepSpec


class _Asha(AsyncHyperBandScheduler):
    """ASHA that never stops the baseline: every gain is measured against all of its training."""

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ANN401
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return TrialScheduler.CONTINUE if trial.config["is_baseline"] else decision


def scheduler(spec: SweepSpec) -> TrialScheduler:
    """Return the scheduler that a spec asks for; time is counted in reports."""
    if spec.early_terminate.type == "none":
        return FIFOScheduler()
    return _Asha(
        time_attr="training_iteration",
        metric=SCORE,
        mode="min",
        max_t=max(spec.reports_per_trial, spec.early_terminate.min_iter),
        grace_period=spec.early_terminate.min_iter,
        reduction_factor=spec.early_terminate.eta,
    )
