"""What a sweep has found, in one sentence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.ranking import Sweep
from sweeps.replicas import FAILED, TIE, UNKNOWN, WORSE
from sweeps.status import Stage, Status
from sweeps.words import counted

if TYPE_CHECKING:
    from sweeps.replicas import Confirmed


@dataclass(frozen=True)
class Estimate:
    """A configuration's score.

    Args:
        value: Of one training, or the mean of several.
        interval: The 95 % interval of that mean; None where there was one training.
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
    """Return the best, its score, the floor, the gain over the defaults, and whether that is noise.

    The best is the confirmation's winner where there is one, else the best trial of the search.
    """
    summary, confirmed = sweep.summary(), sweep.confirmed()
    if summary["best"] is None:
        return _without_a_score(sweep)
    if confirmed is None:
        return f"{_of_the_search(sweep, summary)}."
    if confirmed.winner is None:
        yet = "" if confirmed.is_finished else " yet"
        return f"{_of_the_search(sweep, summary)}; on fresh seeds no configuration has a score{yet}."
    return f"{_of_fresh_seeds(sweep, confirmed)}."


def _of_the_search(sweep: Sweep, summary: dict[str, Any]) -> str:
    best, baseline = summary["best"], summary["baseline"]
    metric, trials = sweep.metric, counted(sum(summary["trials"].values()), "trial")
    score = f"with a {metric} of {number(best[metric])} ({best['samples']:,} samples)"
    found = f"{_so_far(sweep)}{best['trial_id']} is the best of {trials}, {score}"
    real = _real((summary["floors"] or {}).get(metric))
    if baseline is None:
        return f"{found}{real}"
    if baseline["trial_id"] == best["trial_id"]:
        return f"{found}, and it is the tutorial's defaults{real}"
    comparable = metric if baseline["samples"] == best["samples"] else f"search_{metric}"
    scores = Estimate(best[comparable]), Estimate(baseline[comparable])
    gain = _gain(*scores, less_is_better=sweep.less_is_better)
    return (
        f"{found}, {gain}{real}; whether that gain is beyond the noise cannot be told, as each configuration"
        " was trained once and by how much two seeds differ is unknown"
    )


def _of_fresh_seeds(sweep: Sweep, confirmed: "Confirmed") -> str:
    frame = sweep.rank(stage=Stage.CONFIRM)
    winner, others = frame.iloc[0], frame.iloc[1:]
    is_baseline = others["is_baseline"].astype(bool)
    ties = others["trial_id"][(others["verdict"] == TIE) & ~is_baseline]
    failed = f" ({winner['failed']})" if winner["failed"] else ""
    told = [
        f"{'Of' if confirmed.is_finished else 'So far, of'} {counted(len(frame), 'configuration')}"
        f" trained again on fresh seeds, {winner['trial_id']} comes first, with a mean {sweep.metric}"
        f" of {_estimate(winner)} over {counted(winner['seeds'], 'seed')}{failed}"
    ]
    if winner["is_baseline"]:
        told[0] += ", and it is the tutorial's defaults"
    elif is_baseline.any():
        gain, is_noise = _against_defaults(winner, others[is_baseline].iloc[0], sweep)
        told = [told[0] + gain, *is_noise]
    if len(ties):
        told.append(f"the seeds do not tell {winner['trial_id']} from {' and '.join(ties)}")
    return "; ".join(told) + _real(winner["floor"])


def _against_defaults(winner: pd.Series, defaults: pd.Series, sweep: Sweep) -> tuple[str, list[str]]:
    """Return the gain over the defaults, and whether it is more than the luck of the seeds."""
    paired = "the paired differences over seeds"
    is_noise = {
        WORSE: [f"that gain is beyond the noise, as {paired} say"],
        TIE: [f"that gain may be noise, as {paired} do not tell the two apart"],
        FAILED: [f"the tutorial's defaults failed more often ({defaults['failed']})"],
        UNKNOWN: [],
    }[defaults["verdict"]]
    if defaults["verdict"] == FAILED or pd.isna(defaults["mean"]):
        return "", is_noise
    gain = _gain(_estimate(winner), _estimate(defaults), less_is_better=sweep.less_is_better)
    return f", {gain}", is_noise


def _estimate(row: pd.Series) -> Estimate:
    """Return the mean of a configuration's seeds."""
    return Estimate(row["mean"], None if pd.isna(row["low"]) else (row["low"], row["high"]))


def _real(floor: float | None) -> str:
    return "" if floor is None or pd.isna(floor) else f"; real images have {number(floor)}"


def number(value: float) -> str:
    """Return a score as people read it.

    >>> number(1234.4), number(208.83), number(7.134)
    ('1,234', '208.8', '7.134')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _gain(best: Estimate, defaults: Estimate, *, less_is_better: bool) -> str:
    """Return the gain as a ratio; as a difference where there is none, as of a recall of 0."""
    word = "lower" if less_is_better else "higher"
    least, greatest = sorted((best.value, defaults.value))
    if least > 0:
        ratio = greatest / least
        return (
            f"{ratio:.{1 if ratio >= 2 else 2}f} times {word} than the {defaults} of the tutorial's defaults"
        )
    return f"{number(greatest - least)} {word} than the {defaults} of the tutorial's defaults"


def _so_far(sweep: Sweep) -> str:
    return "So far, " if sweep.facts["status"] == Status.RUNNING else ""


def _without_a_score(sweep: Sweep) -> str:
    counts = sweep.summary()["trials"]
    told = ", ".join(f"{count} {Status(status).words}" for status, count in counts.items())
    found = f"no trial has a score: {told}" if counts else "no trial has started"
    sentence = f"{_so_far(sweep)}{found}."
    return f"{sentence[0].upper()}{sentence[1:]}"
