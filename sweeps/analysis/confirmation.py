"""The result of a confirmation: its finalists over fresh seeds, compared with the best of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.statistics import CONFIDENCE, Array, Flags, Race, Scale, compare, interval, race
from sweeps.record.past import UNFINISHED
from sweeps.record.status import Status
from sweeps.words import counted


@dataclass(frozen=True)
class SeedScores:
    """The scores of configurations over seeds.

    Args:
        names: The K trials of the search that have the configurations.
        scores: ``(K, S)``, final scores, a column per seed; NaN without a score (yet).
        failed: ``(K, S)``, True if the trial diverged or crashed.
        failures: The failures of each configuration in words: ``1 diverged``.
        scale: The scale on which scores are compared.
    """

    names: list[str]
    scores: Array
    failed: Flags
    failures: list[str]
    scale: Scale

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]], names: Sequence[str], scale: Scale) -> "SeedScores":
        """Collect the scores of the configurations ``names`` from the record's rows of a confirmation."""
        seeds = list(dict.fromkeys(row["config"]["seed"] for row in rows))
        scores = np.full((len(names), len(seeds)), np.nan)
        failed = np.zeros(scores.shape, dtype=bool)
        kinds: dict[str, Counter[str]] = {name: Counter() for name in names}
        for row in rows:
            if row["of"] not in kinds or row["status"] in UNFINISHED:
                continue
            place = list(names).index(row["of"]), seeds.index(row["config"]["seed"])
            score = (row["final"] or {}).get(scale.metric)
            failed[place] = score is None
            scores[place] = np.nan if score is None else score
            if score is None:
                kinds[row["of"]][Status(row["status"]).words] += 1
        failures = [", ".join(f"{n} {kind}" for kind, n in kinds[name].items()) for name in names]
        return cls(list(names), scores, failed, failures, scale)

    @property
    def values(self) -> Array:
        """The scores, on the scale on which they are compared."""
        return self.scale.to_scale(self.scores)

    def means(self) -> pd.DataFrame:
        """Return a row per configuration: ``mean``, ``low``, ``high``, ``seeds`` (with a score), ``failed``.

        The mean of fid is geometric; the interval is that of :func:`sweeps.analysis.statistics.interval`.
        """
        found = interval(self.values)
        ends = np.sort(
            np.stack([self.scale.from_scale(found.low), self.scale.from_scale(found.high)]), axis=0
        )
        return pd.DataFrame(
            {
                "mean": self.scale.from_scale(found.mean),
                "low": ends[0],
                "high": ends[1],
                "seeds": (~np.isnan(self.scores)).sum(axis=1),
                "failed": self.failures,
            },
            index=pd.Index(self.names, name="trial_id"),
        )

    def noise(self) -> float:
        """Return how far two seeds of one configuration differ at most in 95 % of pairs, on the scale.

        The variance over seeds is pooled over all configurations. NaN if none has two scores.
        """
        from scipy.special import stdtrit

        deviations = self.values - interval(self.values).mean[:, None]
        seeds = (~np.isnan(deviations)).sum(axis=1)
        degrees = np.maximum(seeds - 1, 0).sum()
        if degrees == 0:
            return float("nan")
        spread = np.sqrt(np.nansum(deviations[seeds > 1] ** 2) / degrees)
        return float(stdtrit(degrees, 0.975) * np.sqrt(2) * spread)


WINNER, TIE, WORSE, FAILED, UNKNOWN = "winner", "tie", "worse", "failed", "-"
UNRANKED = (FAILED, UNKNOWN)
"""The verdicts of finalists that come last, whatever their means."""


@dataclass(frozen=True)
class ConfirmationResult:
    """The finalists of a confirmation, compared with the best of them.

    Args:
        scores: The scores of the finalists over seeds.
        looks: The numbers of seeds after which finalists are compared.
        until_resolved: Whether finalists significantly worse than the winner got no further seeds.
        is_finished: Whether all seeds have been trained.
    """

    scores: SeedScores
    looks: tuple[int, ...]
    until_resolved: bool
    is_finished: bool

    @cached_property
    def _race(self) -> Race:
        values, failed = self.scores.values, self.scores.failed
        if self.until_resolved:
            return race(values, failed, self.looks)
        compared = compare(values, failed)
        return Race(compared, compared.is_tied, values.shape[1])

    @property
    def winner(self) -> str | None:
        """The finalist with the best mean among those that failed least often; None without any score."""
        index = self._race.comparison.winner
        return None if index is None else self.scores.names[index]

    @property
    def tied(self) -> list[str]:
        """The finalists that are not significantly worse than the winner."""
        frame = self.frame()
        return list(frame["trial_id"][frame["verdict"] == TIE])

    def frame(self) -> pd.DataFrame:
        """Return a row per finalist, the winner first.

        ``trial_id`` (of the search), ``verdict`` (winner; tie; worse; failed if it failed more often than the
        winner), the columns of :meth:`SeedScores.means`, and the paired difference from the winner with its
        interval, ``vs_winner``, ``vs_low``, ``vs_high``: a ratio for fid, a difference for other metrics. In
        95 % of sweeps the intervals of all differences hold at once.
        """
        compared, scale = self._race.comparison, self.scores.scale
        differences = compared.differences
        ends = np.sort(
            np.stack([scale.from_scale(differences.low), scale.from_scale(differences.high)]), axis=0
        )
        frame = self.scores.means().reset_index()
        frame.insert(1, "verdict", self._verdicts())
        frame["vs_winner"], frame["vs_low"], frame["vs_high"] = scale.from_scale(differences.mean), *ends
        place = frame["verdict"].map({WINNER: 0, TIE: 1, WORSE: 1} | dict.fromkeys(UNRANKED, 2))
        means = frame["mean"] if scale.less_is_better else -frame["mean"]
        return (
            frame.assign(place=place, means=means)
            .sort_values(["place", "means"], kind="stable", ignore_index=True)
            .drop(columns=["place", "means"])
        )

    def _verdicts(self) -> list[str]:
        compared, replicas = self._race.comparison, self.scores
        if compared.winner is None:
            return [FAILED if failed.any() else UNKNOWN for failed in replicas.failed]
        low = compared.differences.low
        verdicts = [
            TIE if tied else WORSE if low[index] > 0 else FAILED
            for index, tied in enumerate(compared.is_tied)
        ]
        verdicts[compared.winner] = WINNER
        return verdicts

    def conclusion(self) -> str:
        """Return which finalist is best and how surely, or why that is open, in one sentence."""
        if not self.is_finished:
            return "not finished: gan-sweep resume continues it"
        if self.winner is None:
            return "no finalist has a score on these seeds"
        if len(self.scores.names) == 1:
            return f"{self.winner} is the only finalist"
        seeds = f"({counted(self._race.n_seeds, 'seed')}, {100 * CONFIDENCE:.0f} %)"
        tied = self.tied
        if not tied:
            better = f"{self.winner} is significantly better than every other finalist"
            has_failed = FAILED in self._verdicts()
            return f"{better}{', or failed less often' if has_failed else ''} {seeds}"
        sentence = f"{self.winner} is not significantly better than {' and '.join(tied)} {seeds}"
        if self.until_resolved:
            return f"{sentence}, and --max-seeds allows no more than {self.looks[-1]}"
        return f"{sentence}; --until-resolved trains more seeds of tied finalists"
