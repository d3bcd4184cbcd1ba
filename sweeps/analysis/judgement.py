"""Whether the gain of a trial over the defaults is significant, and why."""

from dataclasses import dataclass

from sweeps.analysis.comparison import ERROR, Scores
from sweeps.analysis.confirmation import ConfirmationResult
from sweeps.analysis.evidence import PLANNED
from sweeps.analysis.frames import Frames
from sweeps.analysis.leaderboard import Leaderboard
from sweeps.analysis.search_scores import is_scored
from sweeps.analysis.statistics import probability_of_lower_rate

SMALLEST_SHOWN = 1e-4


@dataclass(frozen=True)
class Judgement:
    """Whether a gain over the defaults is significant.

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


def judge(frames: Frames, leaderboard: Leaderboard, trial_id: str) -> Judgement:
    """Judge the gain of a trial's configuration over the defaults, by the primary metric.

    If a confirmation trained both, their scores on fresh seeds decide. Otherwise the trial has one score, and
    was chosen as the best of many: the gain is significant if the best of as many trials that equal the
    defaults would hardly ever score so well. Without a finished confirmation the significance is unknown.
    A further seed, of the search or of a confirmation, is judged as the first trial of its configuration.
    """
    defaults, scale = str(frames.trials["trial_id"][frames.trials["is_baseline"]].iloc[0]), frames.scale()
    firsts = {row["trial_id"]: row["of"] for row in (*frames.record.trials, *frames.record.replicas)}
    trial_id = firsts.get(trial_id) or trial_id
    if trial_id == defaults:
        return _not_significant("the trial has the default configuration")
    confirmed = leaderboard.confirmation(scale)
    if confirmed is None:
        on_one = "each configuration was trained on one seed only"
        return Judgement(None, "no configuration was trained on fresh seeds" if frames.has_seeds else on_one)
    if not confirmed.is_finished or _is_in_training(frames, confirmed, trial_id):
        return Judgement(None, "the confirmation is not finished")
    if not {trial_id, defaults} <= set(frames.replicas["of"]):
        return _as_the_best_of_many(frames, confirmed, trial_id)
    if not {trial_id, defaults} <= set(confirmed.scores.names):
        confirmed = leaderboard.confirmation(scale, [trial_id, defaults]) or confirmed
    return _by_fresh_seeds(confirmed, trial_id, defaults)


def _is_in_training(frames: Frames, confirmed: ConfirmationResult, trial_id: str) -> bool:
    """Return whether only a confirmation that has not ended trains a trial's configuration."""
    contest, last = confirmed.contest, frames.record.facts["confirmation"]
    return contest.is_continued and trial_id in last["finalists"] and trial_id not in contest.finalists


def _not_significant(reason: str) -> Judgement:
    return Judgement(is_significant=False, reason=reason)


def _by_fresh_seeds(confirmed: ConfirmationResult, trial_id: str, defaults: str) -> Judgement:
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


def _against_failures(scores: Scores, one: int, other: int) -> Judgement:
    """Judge a configuration with scores against defaults that have none."""
    diverged, tried = scores.diverged.sum(axis=1), scores.diverged.sum(axis=1) + scores.n
    if not tried[other]:
        return Judgement(None, "the defaults have no score on fresh seeds")
    events = [(int(diverged[index]), int(tried[index])) for index in (one, other)]
    if 1 - probability_of_lower_rate(*events) < PLANNED:
        return Judgement(is_significant=True, reason="the defaults diverged on every fresh seed")
    return _not_significant("the defaults diverged on every fresh seed, but those are too few")


def _as_the_best_of_many(frames: Frames, confirmed: ConfirmationResult, trial_id: str) -> Judgement:
    if trial_id not in frames.with_final:
        return Judgement(None, "the trial was not trained to its last step")
    final = frames.trials.set_index("trial_id")[frames.metric].loc[[trial_id]].to_numpy(dtype=float)
    n_trials = int(is_scored(frames.trials, frames.metric).sum())
    luck = confirmed.chance_of_luck(float(frames.scale().to_scale(final)[0]), n_trials)
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
