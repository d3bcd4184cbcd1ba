"""Rebuild, from the record, the trials that a sampler was given."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState, create_trial

from sweeps.analysis.statistics import Scale
from sweeps.record.judging import judged_metrics
from sweeps.record.past import UNFINISHED, Past
from sweeps.record.status import FAILURES, Status
from sweeps.search.penalty import WorstScores, WorstViolations
from sweeps.search.seeds import mean_score
from sweeps.search.suggestion import SCORE
from sweeps.spec.constraints import Constraint
from sweeps.spec.sections import Metric
from sweeps.spec.space import Space

TRIAL_ID, DIVERGED, SEEDS = "trial_id", "diverged", "seeds"
"""The attributes of Optuna's trials: the name, why the trial diverged, the number of seeds of its mean."""


def earlier_trial(space: Space, content: Mapping[str, Any]) -> FrozenTrial:
    """Return the trial of an earlier sweep that :func:`sweeps.search.warmstart.scored_trials` describes."""
    fixed = FixedTrial(content["params"])
    space.suggest(fixed)
    return create_trial(
        state=TrialState[content["state"]],
        values=content["values"],
        params=fixed.params,
        distributions=fixed.distributions,
        intermediate_values={int(step): score for step, score in content["reports"]},
        constraints=content.get("constraints"),
    )


def ended_trials(
    space: Space,
    metrics: Sequence[Metric],
    past: Past,
    earlier: Sequence[FrozenTrial] = (),
    constraints: Sequence[Constraint] = (),
) -> list[FrozenTrial]:
    """Return every ended trial of a search in the form in which a sampler gets it from the record.

    A trial outside of the space is left out, because a sampler of the space cannot represent it. A
    configuration with several seeds is one trial, with the mean over the seeds.

    Args:
        space: The searched space.
        metrics: The metrics, the one that is searched by first.
        past: The search's trials.
        earlier: The trials that the sampler was given before them.
        constraints: The constraints of the sweep.
    """
    rows = [row for row in _with_means(past.rows, metrics) if space.contains(row["params"])]
    penalties = _penalties(rows, metrics, past, earlier)
    violations = _violations(rows, constraints, earlier)
    trials = []
    for row in rows:
        if row["status"] not in UNFINISHED:
            trial = _ended_trial(space, metrics, row, past, penalties.get(row["trial_id"]))
            set_constraints(trial, violations[row["trial_id"]])
            trials.append(trial)
    return trials


def _violations(
    rows: Sequence[Mapping[str, Any]], constraints: Sequence[Constraint], earlier: Sequence[FrozenTrial]
) -> dict[str, dict[str, float]]:
    """Return the violations of constraints that the sampler is given for each trial.

    For a trial that diverged, they are the largest of the trials before it.
    """
    worst, found = WorstViolations(constraints), dict[str, dict[str, float]]()
    for trial in earlier:
        worst.add(trial.constraints)
    for row in rows:
        is_known = row["status"] not in FAILURES
        found[row["trial_id"]] = worst.violations(judged_metrics(row)) if is_known else {}
        if row["status"] == Status.DIVERGED:
            found[row["trial_id"]] = worst.values
    return found


def _with_means(rows: Sequence[dict[str, Any]], metrics: Sequence[Metric]) -> Iterator[dict[str, Any]]:
    """Yield the first training of each configuration, with the mean over its seeds if there are several.

    ``seeds`` is the number of seeds with a score.
    """
    scale = Scale(metrics[0].name, less_is_better=metrics[0].goal == "minimize")
    scores: dict[str, list[float]] = {}
    for row in rows:
        if row["status"] == Status.COMPLETED:
            scores.setdefault(row["of"] or row["trial_id"], []).append(row["score"])
    for row in rows:
        of_row = scores.get(row["trial_id"], [])
        if not row["of"]:
            mean = {"mean": mean_score(of_row, scale)} if len(of_row) > 1 else {}
            yield {**row, "seeds": len(of_row), **mean}


def _penalties(
    rows: Sequence[Mapping[str, Any]], metrics: Sequence[Metric], past: Past, earlier: Sequence[FrozenTrial]
) -> dict[str, list[float]]:
    """Return the scores that the sampler is given for each trial that diverged.

    They are the worst of the trials before it or, if none of those has a score, up to the first score.
    """
    worst, waiting, penalties = WorstScores(metrics), list[str](), dict[str, list[float]]()
    for trial in earlier:
        for scores in scores_of(trial):
            worst.add(scores)
    for row in rows:
        for report in reported_scores(row, past, metrics):
            worst.add([report[SCORE]])
        if row["status"] in UNFINISHED or row["status"] == Status.CRASHED:
            continue
        if _state(row) is TrialState.COMPLETE:
            if row["status"] == Status.DIVERGED:
                waiting.append(row["trial_id"])
            else:
                worst.add(last_result(row, metrics)["objectives"])
        if worst.is_known:
            penalties |= dict.fromkeys(waiting, worst.values)
            waiting.clear()
    return penalties | dict.fromkeys(waiting, worst.values)


def _ended_trial(
    space: Space,
    metrics: Sequence[Metric],
    row: Mapping[str, Any],
    past: Past,
    penalty: list[float] | None,
) -> FrozenTrial:
    fixed = FixedTrial(row["drawn"] or space.optuna_params(row["params"]))
    space.suggest(fixed)
    state, values = _state(row), None
    reported = {report["step"]: report[SCORE] for report in reported_scores(row, past, metrics)}
    if state is TrialState.COMPLETE:
        mean = [row["mean"]] if "mean" in row else None
        values = penalty or mean or last_result(row, metrics)["objectives"]
    elif state is TrialState.PRUNED and reported:
        values = [[*reported.values()][-1]]
    trial = create_trial(
        state=state,
        values=values,
        params=fixed.params,
        distributions=fixed.distributions,
        intermediate_values=reported,
        user_attrs={
            TRIAL_ID: row["trial_id"],
            **({DIVERGED: row["reason"]} if penalty else {}),
            **({SEEDS: row["seeds"]} if row["seeds"] > 1 else {}),
        },
    )
    trial.datetime_start = datetime.fromtimestamp(row["started_at"])
    trial.datetime_complete = datetime.fromtimestamp(row["ended_at"])
    return trial


def _state(row: Mapping[str, Any]) -> TrialState:
    """Return the state in which an ended trial is in the study."""
    if row["status"] == Status.CRASHED:
        return TrialState.FAIL
    is_pruned = row["take_overs"] or row["status"] == Status.PRUNED
    return TrialState.PRUNED if is_pruned else TrialState.COMPLETE


def scores_of(trial: FrozenTrial) -> list[list[float]]:
    """Return the scores of a trial: of each report, and its value."""
    reported = [[score] for score in trial.intermediate_values.values()]
    return [*reported, trial.values] if trial.state is TrialState.COMPLETE else reported


def reported_scores(
    row: Mapping[str, Any], past: Past, metrics: Sequence[Metric]
) -> Iterator[dict[str, Any]]:
    """Yield the step and score of each report that the sampler was given, as a trial's result holds them.

    The score is the best so far, while the trial has the suggested parameters. Of a trial that took all its
    steps the last score is its value instead. Optuna takes no reports of several metrics. A report of an
    earlier version may have a score that was not finite, which the record holds as None.
    """
    if len(metrics) > 1:
        return
    better = min if metrics[0].goal == "minimize" else max
    reports = past.reports.get(row["trial_id"], [])
    taken_over_at = row["take_overs"][0]["step"] if row["take_overs"] else inf
    best: float | None = None
    for report in reports[:-1] if row["status"] == Status.COMPLETED else reports:
        score = report[metrics[0].name]
        if score is not None:
            best = score if best is None else better(best, score)
        if best is not None and report["step"] <= taken_over_at:
            yield {"step": report["step"], SCORE: best}


def last_result(row: Mapping[str, Any], metrics: Sequence[Metric]) -> dict[str, Any]:
    """Return the last result of a trial of the record."""
    best = {metrics[0].name: row["score"], **(row["best_metrics"] or {})}
    return {
        "status": row["status"],
        "reason": row["reason"],
        "donor": bool(row["take_overs"]),
        "step": row["step"],
        SCORE: row["score"],
        "objectives": [best.get(metric.name) for metric in metrics],
        "best": row["best_metrics"],
        "final": row["final"],
    }


def set_constraints(trial: Trial | FrozenTrial, violations: Mapping[str, float]) -> None:
    """Give a trial its violations of constraints; it is feasible if all are at most 0."""
    for name, violation in violations.items():
        trial.set_constraint(name, violation)
