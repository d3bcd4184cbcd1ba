"""The result of a sweep in one sentence, and whether its gain over the defaults is significant."""

from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from sweeps.analysis.confirmation import FAILED, TIE
from sweeps.analysis.statistics import Scale
from sweeps.analysis.sweep import Sweep
from sweeps.record.status import Stage, Status
from sweeps.words import counted

if TYPE_CHECKING:
    from sweeps.analysis.confirmation import ConfirmationResult


@dataclass(frozen=True)
class Estimate:
    """The score of a configuration.

    Args:
        value: The score of one trial, or the mean over seeds.
        interval: The 95 % interval of that mean; None for one trial.
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
    """Whether a gain over the tutorial's defaults is significant.

    Args:
        is_significant: Whether the gain is significant; None if that is unknown.
        reason: Why.
    """

    is_significant: bool | None
    reason: str

    def sentence(self, subject: str) -> str:
        """Return the judgement as a sentence without a full stop.

        >>> Judgement(True, "the defaults are worse on the same fresh seeds").sentence("that gain")
        'that gain is significant, because the defaults are worse on the same fresh seeds'

        Args:
            subject: The words for the gain.
        """
        if self.is_significant is None:
            return f"whether {subject} is significant is unknown, because {self.reason}"
        return f"{subject} is {'' if self.is_significant else 'not '}significant, because {self.reason}"


def verdict(sweep: Sweep) -> str:
    """Return the best trial, its score, the floor, the gain over the defaults, and its significance.

    The best trial is the confirmation's winner or, without one, the best trial of the search.
    """
    summary, confirmed = sweep.summary(), sweep.confirmed()
    if summary["best"] is None:
        return _without_a_score(sweep)
    if confirmed is None:
        return f"{_search_sentence(sweep, summary)}."
    if confirmed.winner is None:
        yet = "" if confirmed.is_finished else " yet"
        return f"{_search_sentence(sweep, summary)}; on fresh seeds no configuration has a score{yet}."
    return f"{_confirmation_sentence(sweep, confirmed)}."


def _search_sentence(sweep: Sweep, summary: dict[str, Any]) -> str:
    best, baseline = summary["best"], summary["baseline"]
    metric, trials = sweep.metric, counted(sum(summary["trials"].values()), "trial")
    score = f"with a {metric} of {number(best[metric])} ({best['samples']:,} samples)"
    found = f"{_so_far(sweep)}{best['trial_id']} is the best of {trials}, {score}"
    images = summary["floor_images"]
    fewer = images if images is not None and images < best["samples"] else None
    real = _real((summary["floors"] or {}).get(metric), fewer)
    if baseline is None:
        return f"{found}{real}"
    if baseline["trial_id"] == best["trial_id"]:
        return f"{found}, and it is the tutorial's defaults{real}"
    comparable = metric if baseline["samples"] == best["samples"] else f"search_{metric}"
    scores = Estimate(best[comparable]), Estimate(baseline[comparable])
    gain = _gain(*scores, sweep.scale())
    return f"{found}, {gain}{real}; {judge(sweep, best['trial_id']).sentence('that gain')}"


def _confirmation_sentence(sweep: Sweep, confirmed: "ConfirmationResult") -> str:
    frame = sweep.rank(stage=Stage.CONFIRM)
    winner, others = frame.iloc[0], frame.iloc[1:]
    is_baseline = others["is_baseline"].astype(bool)
    ties = others["trial_id"][(others["verdict"] == TIE) & ~is_baseline]
    failed = f" ({winner['failed']})" if winner["failed"] else ""
    parts = [
        f"{'Of' if confirmed.is_finished else 'So far, of'} {counted(len(frame), 'configuration')}"
        f" trained again on fresh seeds, {winner['trial_id']} comes first, with a mean {sweep.metric}"
        f" of {_estimate(winner)} over {counted(winner['seeds'], 'seed')}{failed}"
    ]
    if winner["is_baseline"]:
        parts[0] += ", and it is the tutorial's defaults"
    elif is_baseline.any():
        parts.append(_against_defaults(sweep, winner, others[is_baseline].iloc[0]))
    if len(ties):
        parts.append(f"; {winner['trial_id']} is not significantly better than {' and '.join(ties)}")
    return "".join(parts) + _real(winner["floor"], winner["floor_images"])


def _against_defaults(sweep: Sweep, winner: pd.Series, defaults: pd.Series) -> str:
    """Return the gain over the defaults, if they have a mean to compare, and its significance."""
    judgement = judge(sweep, winner["trial_id"])
    if defaults["verdict"] == FAILED or pd.isna(defaults["mean"]):
        failed = f" ({defaults['failed']})" if defaults["failed"] else ""
        return f"; {judgement.sentence('its gain over the defaults')}{failed}"
    gain = _gain(_estimate(winner), _estimate(defaults), sweep.scale())
    return f", {gain}; {judgement.sentence('that gain')}"


def _estimate(row: pd.Series) -> Estimate:
    """Return the mean of a configuration over seeds."""
    return Estimate(row["mean"], None if pd.isna(row["low"]) else (row["low"], row["high"]))


def _real(floor: float | None, fewer: int | None) -> str:
    """Return the end of a sentence on real images, with their number if they are fewer than the samples."""
    if floor is None or pd.isna(floor):
        return ""
    which = "real images" if fewer is None or pd.isna(fewer) else f"all {fewer:,} real images"
    return f"; {which} score {number(floor)}"


def judge(sweep: Sweep, trial_id: str) -> Judgement:
    """Judge the gain of a trial's configuration over the tutorial's defaults.

    If a confirmation trained both, their scores on the same seeds decide. Otherwise the gain is compared with
    the spread of the confirmed configurations over seeds, as in ``rank``. Without a finished confirmation the
    significance is unknown.
    """
    defaults = str(sweep.trials["trial_id"][sweep.trials["is_baseline"]].iloc[0])
    if trial_id == defaults:
        return _not_significant("the trial has the tutorial's default configuration")
    confirmed = sweep.confirmed()
    if confirmed is None:
        return Judgement(None, "each configuration was trained on one seed only")
    if not confirmed.is_finished:
        return Judgement(None, "the confirmation is not finished")
    if {trial_id, defaults} <= set(sweep.replicas["of"]):
        return _by_paired_seeds(sweep, confirmed, trial_id, defaults)
    return _by_pooled_spread(sweep, trial_id, defaults)


def _not_significant(reason: str) -> Judgement:
    return Judgement(is_significant=False, reason=reason)


def _by_paired_seeds(
    sweep: Sweep, confirmed: "ConfirmationResult", trial_id: str, defaults: str
) -> Judgement:
    """Judge the winner among all finalists, and any other finalist against the defaults alone."""
    if trial_id != confirmed.winner:
        confirmed = sweep.confirmed(among=[trial_id, defaults]) or confirmed
    if confirmed.winner != trial_id:
        return _not_significant("the defaults do at least as well on the same fresh seeds")
    if defaults in confirmed.tied:
        return _not_significant("the fresh seeds do not separate it from the defaults")
    verdicts = confirmed.frame().set_index("trial_id")["verdict"]
    outcome = "failed more often" if verdicts[defaults] == FAILED else "are worse"
    return Judgement(is_significant=True, reason=f"the defaults {outcome} on the same fresh seeds")


def _by_pooled_spread(sweep: Sweep, trial_id: str, defaults: str) -> Judgement:
    if not {trial_id, defaults} <= set(sweep.with_final):
        return Judgement(None, "the trial and the defaults were not both trained to their last step")
    confirmed = sweep.confirmed(among=sorted(set(sweep.replicas["of"])))
    noise = confirmed.scores.noise() if confirmed else nan
    if isnan(noise):
        return Judgement(None, "no configuration has a score on two fresh seeds")
    finals = sweep.trials.set_index("trial_id")[sweep.metric].loc[[trial_id, defaults]]
    found, of_defaults = sweep.scale().to_scale(finals.to_numpy(dtype=float))
    exceeds = bool(of_defaults - found > noise)
    return Judgement(exceeds, f"two seeds of one configuration differ by {'less' if exceeds else 'as much'}")


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


def _gain(best: Estimate, defaults: Estimate, scale: Scale) -> str:
    return f"{difference(best.value, defaults.value, scale)} than the {defaults} of the tutorial's defaults"


def _so_far(sweep: Sweep) -> str:
    return "So far, " if sweep.facts["status"] == Status.RUNNING else ""


def _without_a_score(sweep: Sweep) -> str:
    counts = sweep.summary()["trials"]
    statuses = ", ".join(f"{count} {Status(status).words}" for status, count in counts.items())
    found = f"no trial has a score: {statuses}" if counts else "no trial has started"
    sentence = f"{_so_far(sweep)}{found}."
    return f"{sentence[0].upper()}{sentence[1:]}"
