"""Earlier trials as Optuna's trials."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from sweeps.record.status import Status
from sweeps.search.suggestion import SCORE
from sweeps.spec.model import SweepSpec


def told_trial(spec: SweepSpec, told: Mapping[str, Any]) -> FrozenTrial:
    """Return the trial that a mapping of :func:`told_trials` describes."""
    fixed = FixedTrial(told["params"])
    spec.space.suggest(fixed)
    return create_trial(
        state=TrialState[told["state"]],
        values=told["values"],
        params=fixed.params,
        distributions=fixed.distributions,
        intermediate_values={int(step): score for step, score in told["reports"]},
    )


def results_of(
    row: Mapping[str, Any], reports: Sequence[Mapping[str, Any]], spec: SweepSpec
) -> Iterator[dict[str, Any]]:
    """Yield what was told of a trial's reports: the best score so far, while its parameters are its own.

    The last report of a trial that took all its steps was told as its value.
    """
    metric = spec.metric[0]
    better = min if metric.goal == "minimize" else max
    own = row["take_overs"][0]["step"] if row["take_overs"] else inf
    scores: list[float] = []
    for report in reports[:-1] if row["status"] == Status.COMPLETED else reports:
        scores.append(report[metric.name])
        if report["step"] <= own:
            yield {"step": report["step"], SCORE: better(scores)}


def last_result(row: Mapping[str, Any], spec: SweepSpec) -> dict[str, Any]:
    """Return what was told of how a trial ended."""
    best = {spec.metric[0].name: row["score"], **(row["best_metrics"] or {})}
    return {
        "status": row["status"],
        "reason": row["reason"],
        "donor": bool(row["take_overs"]),
        "step": row["step"],
        SCORE: row["score"],
        "objectives": [best.get(metric.name) for metric in spec.metric],
    }
