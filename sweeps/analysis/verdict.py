"""The result of a sweep in one sentence, and whether its gain over the defaults is significant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweeps.analysis.confirmation import TIE
from sweeps.analysis.search_scores import is_scored
from sweeps.analysis.statistics import Scale
from sweeps.analysis.sweep import Sweep
from sweeps.record.status import Stage, Status
from sweeps.words import counted

if TYPE_CHECKING:
    from sweeps.analysis.confirmation import ConfirmationResult

MEAN = "mean_in_search"
"""The key of the estimated mean over the search's seeds in the summary of a trial."""


@dataclass(frozen=True)
class Estimate:
    """The score of a configuration.

    Args:
        value: The mean over seeds.
        interval: Its 95 % interval; None if the noise of seeds is unknown.
    """

    value: float
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        between = (
            ""
            if self.interval is None
            else f" (95\u00a0%: {number(self.interval[0])} to {number(self.interval[1])})"
        )
        return f"{number(self.value)}{between}"


def verdict(sweep: Sweep) -> str:
    """Return the best trial, its score, the floor, the gain over the defaults, and its significance.

    The best trial is the confirmation's winner or, without one, the best trial of the search.
    """
    summary, confirmed = sweep.summary(), sweep.confirmed()
    if summary["best"] is None and summary["constraints"] and summary["constraints"]["infeasible"]:
        met = " and ".join(summary["constraints"]["constraints"])
        return f"{_so_far(sweep)}no trial meets {met}, so that none can win."
    if summary["best"] is None:
        return _without_a_score(sweep)
    if confirmed is None:
        return f"{_search_sentence(sweep, summary)}."
    if confirmed.winner is None:
        yet = "" if confirmed.is_finished else " yet"
        does = "meets the constraints" if confirmed.has_infeasible else "has a score"
        return f"{_search_sentence(sweep, summary)}; on fresh seeds no configuration {does}{yet}."
    return f"{_confirmation_sentence(sweep, confirmed)}."


def _search_sentence(sweep: Sweep, summary: dict[str, Any]) -> str:
    best, baseline = summary["best"], summary["baseline"]
    metric, found = sweep.metric, f"{_so_far(sweep)}{_best_of(sweep, summary)}"
    images = summary["floor_images"]
    fewer = images if images is not None and images < best["samples"] else None
    real = f"{_real((summary['floors'] or {}).get(metric), fewer)}{second_seed(sweep)}"
    if baseline is None:
        return f"{found}{real}"
    if baseline["trial_id"] == best["trial_id"]:
        return f"{found}, and it is the defaults{real}"
    key = comparable_score(best, baseline, metric)
    gain = _gain(best[key], baseline[key], sweep.scale())
    return f"{found}, {gain}{real}; {sweep.judge(best['trial_id']).sentence('that gain')}"


def by_one_seed(sweep: Sweep) -> str | None:
    """Return over how many seeds the best trial is the best, and how far a second seed moves a score.

    Returns:
        The clause; None if the sweep is confirmed, or if fewer than two trials have a score.
    """
    best, n_scored = sweep.summary()["best"], int(is_scored(sweep.trials, sweep.metric).sum())
    if best is None or n_scored < 2 or sweep.confirmed() is not None:
        return None
    found = f"{best['trial_id']} is the best of {n_scored} scored trials by one training each"
    if seeds := best.get("seeds_in_search"):
        n = counted(int(sweep.trials["of"].isna().sum()), "configuration")
        mean = f"{number(best['mean_in_search'])} over {counted(seeds, 'seed')}"
        found = f"{best['trial_id']} is the best of {n} by its estimated mean of {mean}"
    return f"{found}{second_seed(sweep)}"


def _best_of(sweep: Sweep, summary: dict[str, Any]) -> str:
    """Return which trial is the best, of how many, and its score."""
    best, metric = summary["best"], sweep.metric
    samples = f"{best['samples']:,} samples"
    if best.get("seeds_in_search"):
        n = counted(int(sweep.trials["of"].isna().sum()), "configuration")
        mean = f"{number(best['mean_in_search'])} ({counted(best['seeds_in_search'], 'seed')}, {samples})"
        return f"{best['trial_id']} is the best of {n} by its estimated mean {metric} of {mean}"
    trials = counted(sum(summary["trials"].values()), "trial")
    score = f"with a {metric} of {number(best[metric])} ({samples})"
    return f"{best['trial_id']} is the best of {trials} by one training each, {score}"


def comparable_score(best: dict[str, Any], baseline: dict[str, Any], metric: str) -> str:
    """Return the key of the score by which two summaries of trials are compared.

    It is the mean over the search's seeds if both have one, else the final score or, if the scores rest on
    different numbers of samples, the score of the best report.
    """
    if None not in (best.get("mean_in_search"), baseline.get("mean_in_search")):
        return MEAN
    return metric if baseline["samples"] == best["samples"] else f"search_{metric}"


def second_seed(sweep: Sweep) -> str:
    """Return by how much a second seed moves a score, as the end of a sentence; empty if it is unknown."""
    move, scale = sweep.noise(), sweep.scale()
    if move is None:
        return ""
    words = f"{100 * (np.exp(move) - 1):.0f} %" if scale.is_logarithmic else number(move)
    return f"; a second seed moves a score by about {words}"


def _confirmation_sentence(sweep: Sweep, confirmed: "ConfirmationResult") -> str:
    frame = sweep.rank(stage=Stage.CONFIRM)
    winner, others = frame.iloc[0], frame.iloc[1:]
    is_baseline = others["is_baseline"].astype(bool)
    ties = others["trial_id"][(others["verdict"] == TIE) & ~is_baseline]
    failed = f" ({winner['failed']})" if winner["failed"] else ""
    parts = [
        f"{'Of' if confirmed.is_finished else 'So far, of'} {counted(len(frame), 'configuration')}"
        f" trained again on fresh seeds, {winner['trial_id']} comes first, with an estimated mean"
        f" {sweep.metric} of {_estimate(winner)} over {counted(winner['seeds'], 'seed')}{failed}"
    ]
    if winner["is_baseline"]:
        parts[0] += ", and it is the defaults"
    elif is_baseline.any():
        parts.append(_against_defaults(sweep, confirmed, winner, others[is_baseline].iloc[0]))
    if len(ties):
        parts.append(f"; {winner['trial_id']} is not significantly better than {' and '.join(ties)}")
    return "".join(parts) + _real(winner["floor"], winner["floor_images"])


def _against_defaults(
    sweep: Sweep, confirmed: "ConfirmationResult", winner: pd.Series, defaults: pd.Series
) -> str:
    """Return the gain over the defaults, if they have a mean to compare, and its significance."""
    judgement = sweep.judge(winner["trial_id"])
    if pd.isna(defaults["mean"]):
        failed = f" ({defaults['failed']})" if defaults["failed"] else ""
        return f"; {judgement.sentence('its gain over the defaults')}{failed}"
    return f", {gain_words(confirmed, winner['trial_id'])}; {judgement.sentence('that gain')}"


def gain_sentence(sweep: Sweep, confirmed: "ConfirmationResult", trial_id: str) -> str:
    """Return a finalist's gain over the defaults and its significance, without a full stop."""
    judgement = sweep.judge(trial_id)
    if confirmed.gain(trial_id) is None:
        return judgement.sentence("the gain over the defaults")
    return f"{trial_id} is {gain_words(confirmed, trial_id)}; {judgement.sentence('that gain')}"


def gain_words(confirmed: "ConfirmationResult", trial_id: str) -> str:
    """Return by how much a finalist is better than the defaults, with the interval of that gain."""
    rows = {row["trial_id"]: row for _, row in confirmed.frame().iterrows()}
    defaults, scale = rows[str(confirmed.defaults)], confirmed.scores.scale
    gain = confirmed.gains().loc[trial_id]
    words = difference(rows[trial_id]["mean"], defaults["mean"], scale)
    if not pd.isna(gain["gain_low"]):
        words += f" (95\u00a0%: {gain['gain_low']:.3g} to {gain['gain_high']:.3g})"
    return f"{words} than the {_estimate(defaults)} of the defaults"


def _estimate(row: pd.Series) -> Estimate:
    """Return the mean of a configuration over seeds."""
    return Estimate(row["mean"], None if pd.isna(row["mean_low"]) else (row["mean_low"], row["mean_high"]))


def _real(floor: float | None, fewer: int | None) -> str:
    """Return the end of a sentence on real images, with their number if they are fewer than the samples."""
    if floor is None or pd.isna(floor):
        return ""
    which = "real images" if fewer is None or pd.isna(fewer) else f"all {fewer:,} real images"
    return f"; {which} score {number(floor)}"


def number(value: float) -> str:
    """Format a score for people.

    >>> number(1234.4), number(208.83), number(7.134)
    ('1,234', '208.8', '7.134')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def difference(score: float, reference: float, scale: Scale) -> str:
    """Describe how a score differs from a reference: by a ratio for fid, else by a difference.

    >>> difference(100.0, 560.0, Scale("fid", less_is_better=True))
    '5.6 times lower'
    >>> difference(-0.01, 0.02, Scale("kid", less_is_better=True))
    '0.03 lower'
    """
    is_lower = score < reference or (score == reference and scale.less_is_better)
    word = "lower" if is_lower else "higher"
    least, greatest = sorted((score, reference))
    if scale.is_logarithmic and least > 0:
        ratio = greatest / least
        return f"{ratio:.{1 if ratio >= 2 else 2}f} times {word}"
    return f"{number(greatest - least)} {word}"


def _gain(best: float, defaults: float, scale: Scale) -> str:
    return f"{difference(best, defaults, scale)} than the {number(defaults)} of the defaults"


def _so_far(sweep: Sweep) -> str:
    return "So far, " if sweep.facts["status"] == Status.RUNNING else ""


def _without_a_score(sweep: Sweep) -> str:
    counts = sweep.summary()["trials"]
    statuses = ", ".join(f"{count} {Status(status).words}" for status, count in counts.items())
    found = f"no trial has a score: {statuses}" if counts else "no trial has started"
    sentence = f"{_so_far(sweep)}{found}."
    return f"{sentence[0].upper()}{sentence[1:]}"
