"""The result of a sweep in one sentence, and whether its gain over the defaults is significant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweeps.analysis.comparison import ERROR
from sweeps.analysis.confirmation import TIE
from sweeps.analysis.evidence import PLANNED
from sweeps.analysis.search_scores import is_scored
from sweeps.analysis.statistics import Scale, probability_of_lower_rate
from sweeps.analysis.sweep import Sweep
from sweeps.record.status import Stage, Status
from sweeps.words import counted

if TYPE_CHECKING:
    from sweeps.analysis.comparison import Scores
    from sweeps.analysis.confirmation import ConfirmationResult

SMALLEST_SHOWN = 1e-4


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
    found = f"{_so_far(sweep)}{best['trial_id']} is the best of {trials} by one training each, {score}"
    images = summary["floor_images"]
    fewer = images if images is not None and images < best["samples"] else None
    real = f"{_real((summary['floors'] or {}).get(metric), fewer)}{_second_seed(sweep)}"
    if baseline is None:
        return f"{found}{real}"
    if baseline["trial_id"] == best["trial_id"]:
        return f"{found}, and it is the tutorial's defaults{real}"
    comparable = metric if baseline["samples"] == best["samples"] else f"search_{metric}"
    gain = _gain(best[comparable], baseline[comparable], sweep.scale())
    return f"{found}, {gain}{real}; {judge(sweep, best['trial_id']).sentence('that gain')}"


def _second_seed(sweep: Sweep) -> str:
    """Return by how much a second seed moves a score, if that is known."""
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
        f" trained again on fresh seeds, {winner['trial_id']} comes first, with a mean {sweep.metric}"
        f" of {_estimate(winner)} over {counted(winner['seeds'], 'seed')}{failed}"
    ]
    if winner["is_baseline"]:
        parts[0] += ", and it is the tutorial's defaults"
    elif is_baseline.any():
        parts.append(_against_defaults(sweep, confirmed, winner, others[is_baseline].iloc[0]))
    if len(ties):
        parts.append(f"; {winner['trial_id']} is not significantly better than {' and '.join(ties)}")
    return "".join(parts) + _real(winner["floor"], winner["floor_images"])


def _against_defaults(
    sweep: Sweep, confirmed: "ConfirmationResult", winner: pd.Series, defaults: pd.Series
) -> str:
    """Return the gain over the defaults, if they have a mean to compare, and its significance."""
    judgement = judge(sweep, winner["trial_id"])
    if pd.isna(defaults["mean"]):
        failed = f" ({defaults['failed']})" if defaults["failed"] else ""
        return f"; {judgement.sentence('its gain over the defaults')}{failed}"
    return f", {gain_words(confirmed, winner, defaults)}; {judgement.sentence('that gain')}"


def gain_sentence(sweep: Sweep, confirmed: "ConfirmationResult") -> str:
    """Return the winner's gain over the defaults and its significance, without a full stop."""
    frame = confirmed.frame()
    winner, defaults = (frame[frame["trial_id"] == name] for name in (confirmed.winner, confirmed.defaults))
    judgement = judge(sweep, str(confirmed.winner))
    if confirmed.gain() is None:
        return judgement.sentence("the gain over the defaults")
    words = gain_words(confirmed, winner.iloc[0], defaults.iloc[0])
    return f"{confirmed.winner} is {words}; {judgement.sentence('that gain')}"


def gain_words(confirmed: "ConfirmationResult", winner: pd.Series, defaults: pd.Series) -> str:
    """Return by how much a winner is better than the defaults, with the interval of that gain."""
    scale, gain = confirmed.scores.scale, confirmed.gain(winner["trial_id"])
    words = difference(winner["mean"], defaults["mean"], scale)
    if gain is not None:
        ends = np.exp([gain.low, gain.high]) if scale.is_logarithmic else [gain.low, gain.high]
        words += f" (95\u00a0%: {ends[0]:.3g} to {ends[1]:.3g})"
    return f"{words} than the {_estimate(defaults)} of the tutorial's defaults"


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

    If a confirmation trained both, their scores on fresh seeds decide. Otherwise the trial has one score, and
    was chosen as the best of many: the gain is significant if the best of as many trials that equal the
    defaults would hardly ever score so well. Without a finished confirmation the significance is unknown.
    """
    defaults = str(sweep.trials["trial_id"][sweep.trials["is_baseline"]].iloc[0])
    if trial_id == defaults:
        return _not_significant("the trial has the tutorial's default configuration")
    confirmed = sweep.confirmed()
    if confirmed is None:
        return Judgement(None, "each configuration was trained on one seed only")
    if not confirmed.is_finished:
        return Judgement(None, "the confirmation is not finished")
    if not {trial_id, defaults} <= set(sweep.replicas["of"]):
        return _as_the_best_of_many(sweep, confirmed, trial_id)
    if not {trial_id, defaults} <= set(confirmed.scores.names):
        confirmed = sweep.confirmed(among=[trial_id, defaults]) or confirmed
    return _by_fresh_seeds(confirmed, trial_id, defaults)


def _not_significant(reason: str) -> Judgement:
    return Judgement(is_significant=False, reason=reason)


def _by_fresh_seeds(confirmed: "ConfirmationResult", trial_id: str, defaults: str) -> Judgement:
    scores, names = confirmed.scores.on_scale, confirmed.scores.names
    one, other = names.index(trial_id), names.index(defaults)
    if not scores.n[one]:
        return _not_significant("the trial's configuration has no score on fresh seeds")
    if not scores.can_win[one]:
        return _not_significant("the trial's configuration diverged on most of the fresh seeds")
    if not scores.n[other]:
        return _against_failures(scores, one, other)
    gain = confirmed.gain(trial_id)
    if gain is None:
        return Judgement(None, "no configuration has a score on two fresh seeds")
    if gain.mean <= 0:
        return _not_significant("the defaults do at least as well on fresh seeds")
    found = f"the probability that the defaults are as good is {percent(gain.no_gain)}"
    if gain.is_significant:
        return Judgement(is_significant=True, reason=found)
    return _not_significant(f"{found}, and {percent(gain.limit)} would be significant")


def _against_failures(scores: "Scores", one: int, other: int) -> Judgement:
    """Judge a configuration with scores against defaults that have none."""
    diverged, tried = scores.diverged.sum(axis=1), scores.diverged.sum(axis=1) + scores.n
    if not tried[other]:
        return Judgement(None, "the defaults have no score on fresh seeds")
    events = [(int(diverged[index]), int(tried[index])) for index in (one, other)]
    if 1 - probability_of_lower_rate(*events) < PLANNED:
        return Judgement(is_significant=True, reason="the defaults diverged on every fresh seed")
    return _not_significant("the defaults diverged on every fresh seed, but those are too few")


def _as_the_best_of_many(sweep: Sweep, confirmed: "ConfirmationResult", trial_id: str) -> Judgement:
    if trial_id not in sweep.with_final:
        return Judgement(None, "the trial was not trained to its last step")
    final = sweep.trials.set_index("trial_id")[sweep.metric].loc[[trial_id]].to_numpy(dtype=float)
    n_trials = int(is_scored(sweep.trials, sweep.metric).sum())
    luck = confirmed.chance_of_luck(float(sweep.scale().to_scale(final)[0]), n_trials)
    if luck is None:
        return Judgement(None, "the noise of seeds cannot be estimated")
    share = (
        f"in {percent(luck)} of sweeps the best of {n_trials} trials that equal the defaults scores so well"
    )
    if luck < ERROR:
        return Judgement(is_significant=True, reason=share)
    return Judgement(None, f"the trial was trained once, and {share}")


def percent(share: float) -> str:
    """Format a probability for people.

    >>> percent(0.999), percent(0.0023), percent(0.000004)
    ('100 %', '0.23 %', 'below 0.01 %')
    """
    if share < SMALLEST_SHOWN:
        return "below 0.01 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


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
    return f"{difference(best, defaults, scale)} than the {number(defaults)} of the tutorial's defaults"


def _so_far(sweep: Sweep) -> str:
    return "So far, " if sweep.facts["status"] == Status.RUNNING else ""


def _without_a_score(sweep: Sweep) -> str:
    counts = sweep.summary()["trials"]
    statuses = ", ".join(f"{count} {Status(status).words}" for status, count in counts.items())
    found = f"no trial has a score: {statuses}" if counts else "no trial has started"
    sentence = f"{_so_far(sweep)}{found}."
    return f"{sentence[0].upper()}{sentence[1:]}"
