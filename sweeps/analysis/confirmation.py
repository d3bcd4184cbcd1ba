"""The result of a confirmation: its finalists over fresh seeds, compared with the best of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.comparison import (
    ERROR,
    FUTILE,
    Comparison,
    Flags,
    Gain,
    Means,
    Race,
    Scores,
    collapses,
    compare,
    estimate,
    gain,
    race,
)
from sweeps.analysis.contest import Contest
from sweeps.analysis.evidence import Evidence, Kind
from sweeps.analysis.rows import kind_of_failure, seconds_of
from sweeps.analysis.seed_noise import chance_below, posterior
from sweeps.analysis.statistics import Array, Scale, rate_interval
from sweeps.record.past import UNFINISHED
from sweeps.record.status import Status
from sweeps.words import counted, duration

MEMORY = "OutOfMemory"
LIKELY = 0.5
"""The probability above which a seed counts as an outlier."""
MOST_MORE_SEEDS = 4


@dataclass(frozen=True)
class SeedScores:
    """The scores of configurations over seeds.

    Args:
        names: The K trials of the search that have the configurations.
        scores: ``(K, S)``, final scores, a column per seed; NaN without a score (yet).
        on_scale: The same on the scale, with the trainings that diverged or ended otherwise.
        failures: How often each configuration failed, by the words for the kind of failure.
        seconds: The seconds that a training of each configuration takes; NaN if unknown.
        scale: The scale on which scores are compared.
        evidence: What is known about the noise of seeds.
    """

    names: list[str]
    scores: Array
    on_scale: Scores
    failures: list[Counter[str]]
    seconds: Array
    scale: Scale
    evidence: Evidence

    @classmethod
    def from_rows(
        cls, rows: Sequence[dict[str, Any]], names: Sequence[str], scale: Scale, evidence: Evidence
    ) -> "SeedScores":
        """Collect the scores of the configurations ``names`` from the record's rows of a confirmation."""
        seeds = list(dict.fromkeys(row["config"]["seed"] for row in rows))
        shape = (len(names), len(seeds))
        scores, seconds = np.full(shape, np.nan), np.full(shape, np.nan)
        diverged, ended = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        kinds: dict[str, Counter[str]] = {name: Counter() for name in names}
        for row in rows:
            if row["of"] not in kinds or row["status"] in UNFINISHED:
                continue
            place = list(names).index(row["of"]), seeds.index(row["config"]["seed"])
            score = (row["final"] or {}).get(scale.metric)
            ended[place], diverged[place] = True, row["status"] == Status.DIVERGED
            scores[place] = np.nan if score is None else score
            seconds[place] = np.nan if score is None else seconds_of(row) or np.nan
            if score is None:
                kinds[row["of"]][_kind(row)] += 1
        on_scale = Scores(scale.to_scale(scores), diverged, ended)
        known = ~np.isnan(seconds)
        mean_seconds = np.where(known, seconds, 0).sum(axis=1) / np.where(
            known.any(axis=1), known.sum(axis=1), np.nan
        )
        return cls(list(names), scores, on_scale, [kinds[n] for n in names], mean_seconds, scale, evidence)

    def without(self, barred: Flags) -> "SeedScores":
        """Return the same scores; ``barred``, ``(K,)``, says which of the configurations cannot win."""
        return replace(self, on_scale=replace(self.on_scale, barred=barred))

    @cached_property
    def estimates(self) -> Means:
        """The estimated means, on the scale."""
        return estimate(self.on_scale, self.evidence)[0]

    @cached_property
    def collapsed(self) -> Array:
        """The probability ``(K, S)`` that each seed collapsed."""
        return collapses(self.on_scale, self.evidence)

    def means(self) -> pd.DataFrame:
        """Return a row per configuration.

        ``mean``, ``mean_low``, ``mean_high``: the mean over seeds that neither diverged nor are outliers,
        with its 95 % interval, by the model of :mod:`sweeps.analysis.seed_noise`; of fid the geometric mean.
        ``seeds``: the seeds with a score. ``failed``: the failures in words. ``failure_rate``,
        ``failure_low``, ``failure_high``: the share of seeds that diverged or are outliers, with its 95 %
        interval.
        """
        found = self.estimates
        ends = np.sort(
            np.stack([self.scale.from_scale(found.low), self.scale.from_scale(found.high)]), axis=0
        )
        failed = self.on_scale.diverged.sum(axis=1) + (self.collapsed > LIKELY).sum(axis=1)
        tried = self.on_scale.n + self.on_scale.diverged.sum(axis=1)
        low, high = rate_interval(failed, tried)
        return pd.DataFrame(
            {
                "mean": self.scale.from_scale(found.mean),
                "mean_low": ends[0],
                "mean_high": ends[1],
                "seeds": self.on_scale.n,
                "failed": [self._failures(index) for index in range(len(self.names))],
                "failure_rate": failed / np.where(tried > 0, tried, np.nan),
                "failure_low": low,
                "failure_high": high,
            },
            index=pd.Index(self.names, name="trial_id"),
        )

    def _failures(self, index: int) -> str:
        n_outliers = int((self.collapsed[index] > LIKELY).sum())
        counts = self.failures[index] + Counter({"outlier": n_outliers})
        return ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)


def _kind(row: dict[str, Any]) -> str:
    """Return the words for a training without a score."""
    return "out of memory" if kind_of_failure(row) == MEMORY else Status(row["status"]).words


WINNER, LEADING, TIE, WORSE = "winner", "leads so far", "tie", "worse"
INFEASIBLE, FAILED, UNKNOWN = "infeasible", "failed", "-"
UNRANKED = (INFEASIBLE, FAILED, UNKNOWN)
"""The verdicts of finalists that come last, whatever their means."""


@dataclass(frozen=True)
class ConfirmationResult:
    """The finalists of a confirmation, compared with the best of them.

    Args:
        scores: The scores of the finalists over seeds.
        contest: After which numbers of seeds the finalists are compared, and whether they can be judged.
        defaults: The finalist with the defaults, or None if the defaults are no finalist.
    """

    scores: SeedScores
    contest: Contest
    defaults: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the finalists can be judged."""
        return self.contest.is_finished

    @cached_property
    def _race(self) -> Race:
        scores, evidence, contest = self.scores.on_scale, self.scores.evidence, self.contest
        if contest.until_resolved:
            return race(scores, evidence, contest.looks, contest.taken)
        compared = compare(scores, evidence, contest.all_looks)
        return Race(compared, ~compared.is_worse & scores.can_win, scores.values.shape[1])

    @property
    def comparison(self) -> Comparison:
        """The comparison with the winner, on the scale."""
        return self._race.comparison

    @property
    def winner(self) -> str | None:
        """The finalist with the best mean; None without any score.

        A finalist that diverged on more than half of its seeds does not win against one that did not.
        """
        index = self.comparison.winner
        return None if index is None else self.scores.names[index]

    @property
    def has_infeasible(self) -> bool:
        """Whether a finalist breaks a constraint on average over its seeds."""
        return INFEASIBLE in self._verdicts()

    @property
    def tied(self) -> list[str]:
        """The finalists that are not significantly worse than the winner."""
        frame = self.frame()
        return list(frame["trial_id"][frame["verdict"] == TIE])

    def gain(self, trial_id: str | None = None) -> Gain | None:
        """Return the gain of a finalist, by default the winner, over the defaults.

        Returns:
            The gain; None if either has no score, or if the noise of seeds is unknown.
        """
        names, one = self.scores.names, trial_id or self.winner
        if one is None or self.defaults is None or one == self.defaults:
            return None
        place, of_defaults = names.index(one), names.index(self.defaults)
        return gain(self.scores.on_scale, place, of_defaults, self.scores.evidence, self.contest.all_looks)

    def gains(self) -> pd.DataFrame:
        """Return the gain of each finalist over the defaults: a ratio for fid, else a difference.

        Returns:
            By trial: ``gain``; ``gain_low`` and ``gain_high``, its 95 % interval; and
            ``probability_of_no_gain``. Empty where unknown; the defaults have no interval.
        """
        scale, names, means = self.scores.scale, self.scores.names, self.scores.estimates.mean
        of_defaults = np.nan if self.defaults is None else means[names.index(self.defaults)]
        rows = []
        for name, mean in zip(names, means, strict=True):
            found = self.gain(name)
            known = (of_defaults - mean, np.nan, np.nan)
            known = known if found is None else (found.mean, found.low, found.high)
            shown = [np.exp(each) if scale.is_logarithmic else each for each in known]
            rows.append([*shown, np.nan if found is None else found.no_gain])
        columns = ["gain", "gain_low", "gain_high", "probability_of_no_gain"]
        return pd.DataFrame(rows, columns=columns, index=pd.Index(names, name="trial_id"))

    def are_worse(self, values: Array) -> Flags:
        """Return which single scores, on the scale, show a configuration to be worse than the winner."""
        scores, winner = self.scores.on_scale, self.comparison.winner
        prior = self.scores.evidence.prior(scores.values)
        if winner is None or prior is None or not len(values):
            return np.zeros(len(values), dtype=bool)
        width = max(1, scores.values.shape[1])
        rows = np.full((len(values) + 1, width), np.nan)
        rows[0, : scores.values.shape[1]], rows[1:, 0] = scores.values[winner], values
        return posterior(rows, prior).better_than(np.array(0))[1:] < ERROR

    def chance_of_luck(self, value: float, n_trials: int) -> float | None:
        """Return how probably the best of many trials scores below ``value`` if all equal the defaults.

        Args:
            value: A score on the scale.
            n_trials: The number of trials.

        Returns:
            The probability; None if the defaults have no score, or if the noise of seeds is unknown.
        """
        scores, prior = self.scores.on_scale, self.scores.evidence.prior(self.scores.on_scale.values)
        if self.defaults is None or prior is None:
            return None
        place = self.scores.names.index(self.defaults)
        if not scores.n[place]:
            return None
        of_defaults = posterior(scores.values[[place]], prior)
        return float(chance_below(of_defaults, prior, value, n_trials)[0])

    def frame(self) -> pd.DataFrame:
        """Return a row per finalist, the winner first.

        ``trial_id`` (of the search), ``verdict`` (winner, or leads so far if the
        confirmation is not finished; tie; worse; infeasible if it breaks a constraint on
        average over its seeds; failed if it diverged on more than half of its seeds, or has no score),
        ``mean``, ``mean_low``, ``mean_high``, ``seeds``, ``failed``, the difference from the winner with its
        interval, ``vs_winner``, ``vs_low``, ``vs_high`` (a ratio for fid, a difference for other metrics; in
        95 % of sweeps the intervals of all differences hold at once), ``expected_loss`` (by how much the
        finalist is worse than the best one on average, on the same scale), and the columns ``failure_...`` of
        :meth:`SeedScores.means`.
        """
        compared, scale = self.comparison, self.scores.scale
        ends = np.sort(np.stack([scale.from_scale(compared.low), scale.from_scale(compared.high)]), axis=0)
        frame = self.scores.means().reset_index()
        frame.insert(1, "verdict", self._verdicts())
        place = list(frame.columns).index("failure_rate")
        loss = scale.from_scale(compared.loss)
        added = {"vs_winner": scale.from_scale(compared.difference), "vs_low": ends[0], "vs_high": ends[1]}
        for name, column in (added | {"expected_loss": loss}).items():
            frame.insert(place, name, column)
            place += 1
        order = frame["verdict"].map({WINNER: 0, LEADING: 0, TIE: 1, WORSE: 1} | dict.fromkeys(UNRANKED, 2))
        means = frame["mean"] if scale.less_is_better else -frame["mean"]
        return (
            frame.assign(order=order, means=means)
            .sort_values(["order", "means"], kind="stable", ignore_index=True)
            .drop(columns=["order", "means"])
        )

    def _verdicts(self) -> list[str]:
        scores, is_in = self.scores.on_scale, self._race.is_in
        verdicts = []
        for index, can_win in enumerate(scores.can_win):
            is_barred = scores.barred is not None and scores.barred[index]
            has_ended = scores.ended[index].any()
            without_chance = INFEASIBLE if is_barred else FAILED if has_ended else UNKNOWN
            with_chance = TIE if is_in[index] else WORSE
            verdicts.append(with_chance if can_win else without_chance)
        if self.comparison.winner is not None:
            verdicts[self.comparison.winner] = WINNER if self.is_finished else LEADING
        return verdicts

    def conclusion(self) -> str:
        """Return a sentence: which finalist is best and how surely, or why the confirmation has no answer."""
        found = self._conclusion()
        if not self.contest.is_continued:
            return found
        return f"{found}; a further confirmation is not finished: gan-sweep resume continues it"

    def _conclusion(self) -> str:
        if not self.is_finished:
            return "not finished: gan-sweep resume continues it"
        if self.winner is None and self.has_infeasible:
            return "no finalist meets the constraints on these seeds"
        if self.winner is None:
            return f"no finalist has a score on these seeds{self._without_memory()}"
        if len(self.scores.names) == 1:
            return f"{self.winner} is the only finalist"
        return f"{self._order()}{self._without_memory()}"

    def _order(self) -> str:
        n, seeds = self._race.n_seeds, f"({self._seeds()}, 95 %)"
        tied, verdicts = self.tied, self._verdicts()
        if np.isnan(self.comparison.loss).all():
            return f"{self.winner} comes first; two scores of one configuration are needed to say how surely"
        if not tied:
            that = " that meets the constraints" if INFEASIBLE in verdicts else ""
            failed = ", or has failed less often" if FAILED in verdicts else ""
            return f"{self.winner} is significantly better than every other finalist{that}{failed} {seeds}"
        sentence = f"{self.winner} is not significantly better than {' and '.join(tied)} {seeds}"
        most = self.contest.looks[-1]
        if not self.contest.until_resolved or (n < most and not self._race.is_futile):
            return f"{sentence}; --until-resolved trains more seeds of tied finalists"
        if self._race.is_futile:
            return f"{sentence}, and more seeds up to {most} would hardly separate them"
        return f"{sentence}, and --max-seeds allows no more than {most}"

    def _seeds(self) -> str:
        """Return the words for the number of seeds that the comparison rests on."""
        n = self.scores.on_scale.n[self.scores.on_scale.can_win]
        least, most = int(n.min()), int(n.max())
        if self.contest.until_resolved:
            least = most = self._race.n_seeds
        words = counted(most, "seed") if least == most else f"{least} to {most} seeds"
        before = " and ".join(str(look) for look in self.contest.taken if look < most)
        return f"{words}, also compared at {before}" if before else words

    def _without_memory(self) -> str:
        """Return the end of a sentence on the finalists that ran out of memory on every seed."""
        names = [
            name
            for name, failures, ended in zip(
                self.scores.names, self.scores.failures, self.scores.on_scale.ended, strict=True
            )
            if ended.any() and failures["out of memory"] == ended.sum()
        ]
        ran = "; {} ran out of memory on every seed and cannot win"
        return ran.format(" and ".join(names)) if names else ""

    def remark(self) -> str | None:
        """Return a clause: where the knowledge of the noise of seeds comes from.

        Returns:
            The clause; None without a winner, or if replicas were recorded in the sweep's own setting.
        """
        kind = self.scores.evidence.kind
        return None if self.winner is None or kind is Kind.RECORDED else f"the noise of seeds is {kind.words}"

    def outlook(self) -> str | None:
        """Return a clause: the chance that more seeds separate the nearest tied finalist, and what they cost.

        Returns:
            The clause; None if nothing is tied, if nothing is known about the noise of seeds, or if
            ``--until-resolved`` has trained as many seeds as ``--max-seeds`` allows.
        """
        compared, names = self.comparison, self.scores.names
        tied = [names.index(name) for name in self.tied]
        if not self.is_finished or compared.winner is None or not tied or np.isnan(compared.spread).all():
            return None
        other = max(tied, key=lambda index: compared.difference[index])
        most = MOST_MORE_SEEDS
        if self.contest.until_resolved:
            most = min(most, self.contest.looks[-1] - self._race.n_seeds)
        if most < 1:
            return None
        chances = {more: compared.chance(other, more) for more in range(1, most + 1)}
        more = next((n for n, chance in chances.items() if chance >= 0.5), min(2, most))
        if chances[most] < FUTILE:
            more = most
        seconds = more * (self.scores.seconds[other] + self.scores.seconds[compared.winner])
        cost = f" ({duration(seconds)} of training)" if seconds >= 1 else ""
        return (
            f"{counted(more, 'more seed')} would separate {names[other]} from {self.winner} with a chance of"
            f" {100 * chances[more]:.0f} %{cost}"
        )
