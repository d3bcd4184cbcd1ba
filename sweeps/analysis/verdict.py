"""What a sweep has found, in one sentence."""

from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.confirmation import FAILED, TIE
from sweeps.analysis.sweep import Sweep
from sweeps.record.status import Stage, Status
from sweeps.words import counted

if TYPE_CHECKING:
    from sweeps.analysis.confirmation import ConfirmationResult


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


@dataclass(frozen=True)
class Judgement:
    """Whether a gain over the tutorial's defaults is more than the luck of a seed.

    Args:
        is_significant: Whether it is; None where that cannot be told.
        reason: What tells, or why nothing does.
    """

    is_significant: bool | None
    reason: str

    def sentence(self, subject: str) -> str:
        """Return what is judged of a gain, which goes by that name, as the end of a sentence."""
        if self.is_significant is None:
            return f"whether {subject} is beyond the noise cannot be told, as {self.reason}"
        return (
            f"{subject} {'is beyond the noise' if self.is_significant else 'may be noise'}, as {self.reason}"
        )


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
    return f"{found}, {gain}{real}; {judge(sweep, best['trial_id']).sentence('that gain')}"


def _of_fresh_seeds(sweep: Sweep, confirmed: "ConfirmationResult") -> str:
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
        told.append(_against_defaults(sweep, winner, others[is_baseline].iloc[0]))
    if len(ties):
        told.append(f"; the seeds do not tell {winner['trial_id']} from {' and '.join(ties)}")
    return "".join(told) + _real(winner["floor"])


def _against_defaults(sweep: Sweep, winner: pd.Series, defaults: pd.Series) -> str:
    """Return the gain over the defaults, where both have a mean to compare, and what is judged of it."""
    judged = judge(sweep, winner["trial_id"])
    if defaults["verdict"] == FAILED or pd.isna(defaults["mean"]):
        failed = f" ({defaults['failed']})" if defaults["failed"] else ""
        return f"; {judged.sentence('its gain over the defaults')}{failed}"
    gain = _gain(_estimate(winner), _estimate(defaults), less_is_better=sweep.less_is_better)
    return f", {gain}; {judged.sentence('that gain')}"


def _estimate(row: pd.Series) -> Estimate:
    """Return the mean of a configuration's seeds."""
    return Estimate(row["mean"], None if pd.isna(row["low"]) else (row["low"], row["high"]))


def _real(floor: float | None) -> str:
    return "" if floor is None or pd.isna(floor) else f"; real images have {number(floor)}"


def judge(sweep: Sweep, trial_id: str) -> Judgement:
    """Judge the gain of a trial's configuration over the tutorial's defaults.

    By the seeds of a confirmation that both were trained on. Of a trial that was not in it, by how much two
    seeds of its configurations differ, as ``rank`` does. Without one, nothing can be told.
    """
    defaults = str(sweep.trials["trial_id"][sweep.trials["is_baseline"]].iloc[0])
    if trial_id == defaults:
        return Judgement(is_significant=False, reason="it is itself the tutorial's defaults")
    confirmed = sweep.confirmed()
    if confirmed is None:
        return Judgement(
            None, "each configuration was trained once and by how much two seeds differ is unknown"
        )
    if not confirmed.is_finished:
        return Judgement(None, "its confirmation is not finished")
    if {trial_id, defaults} <= set(sweep.replicas["of"]):
        return _by_its_seeds(sweep, confirmed, trial_id, defaults)
    return _by_others_seeds(sweep, trial_id, defaults)


def _by_its_seeds(sweep: Sweep, confirmed: "ConfirmationResult", trial_id: str, defaults: str) -> Judgement:
    """Judge the winner among all finalists, as the confirmation's table does; another by the two alone."""
    if trial_id != confirmed.winner:
        confirmed = sweep.confirmed(among=[trial_id, defaults]) or confirmed
    if confirmed.winner != trial_id:
        return Judgement(is_significant=False, reason="the defaults are no worse on fresh seeds")
    if defaults in confirmed.tied:
        return Judgement(is_significant=False, reason="fresh seeds do not tell it from the defaults")
    words = confirmed.frame().set_index("trial_id")["verdict"]
    told = "failed more often" if words[defaults] == FAILED else "are worse"
    return Judgement(is_significant=True, reason=f"the defaults {told} on the same fresh seeds")


def _by_others_seeds(sweep: Sweep, trial_id: str, defaults: str) -> Judgement:
    if not {trial_id, defaults} <= set(sweep.with_final):
        return Judgement(None, "it and the defaults were not both trained to their end")
    confirmed = sweep.confirmed(among=sorted(set(sweep.replicas["of"])))
    noise = confirmed.replicas.noise() if confirmed else nan
    if isnan(noise):
        return Judgement(None, "no configuration has a score on two fresh seeds")
    finals = sweep.trials.set_index("trial_id")[sweep.metric].loc[[trial_id, defaults]]
    found, of_defaults = sweep.scale().to_scale(finals.to_numpy(dtype=float))
    is_beyond = bool(of_defaults - found > noise)
    differ = "less" if is_beyond else "as much"
    return Judgement(is_beyond, f"two seeds of one configuration differ by {differ}")


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
