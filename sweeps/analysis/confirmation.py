"""What the trainings of a confirmation say of its finalists."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.statistics import Array, Flags, Race, Scale, compare, interval, race
from sweeps.record.past import UNFINISHED
from sweeps.record.status import Status


@dataclass(frozen=True)
class SeedScores:
    """The scores of configurations over seeds.

    Args:
        names: The trials of the search whose configurations were trained, K of them.
        scores: ``(K, S)``, final scores, a column a seed; NaN where there is none (yet).
        failed: ``(K, S)``, where a training diverged or crashed.
        failures: What failed of each: ``1 diverged``.
        scale: The scale that scores are compared on.
    """

    names: list[str]
    scores: Array
    failed: Flags
    failures: list[str]
    scale: Scale

    @classmethod
    def read(cls, rows: Sequence[dict[str, Any]], names: Sequence[str], scale: Scale) -> "SeedScores":
        """Read the trainings of some configurations from a ledger's rows."""
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
        """The scores on the scale that they are compared on."""
        return self.scale.to_scale(self.scores)

    def means(self) -> pd.DataFrame:
        """Return a row a configuration: ``mean``, ``low``, ``high``, ``seeds`` (with a score), ``failed``.

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
        """Return by how much two trainings of one configuration differ on the scale at 95 %; NaN if unknown.

        The configurations' spreads over seeds are pooled.
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
"""Come last, whatever their mean."""


@dataclass(frozen=True)
class ConfirmationResult:
    """What a confirmation has found.

    Args:
        replicas: The scores of its finalists.
        looks: The numbers of seeds that they are compared at.
        until_resolved: Whether those told from the winner were left out of further seeds.
        is_finished: Whether all has been trained.
    """

    replicas: SeedScores
    looks: tuple[int, ...]
    until_resolved: bool
    is_finished: bool

    @cached_property
    def _race(self) -> Race:
        values, failed = self.replicas.values, self.replicas.failed
        if self.until_resolved:
            return race(values, failed, self.looks)
        compared = compare(values, failed)
        return Race(compared, compared.is_tied, values.shape[1])

    @property
    def winner(self) -> str | None:
        """The best mean among the finalists that failed least often; None where none has a score."""
        index = self._race.comparison.winner
        return None if index is None else self.replicas.names[index]

    @property
    def tied(self) -> list[str]:
        """The finalists that the seeds do not tell from the winner."""
        frame = self.frame()
        return list(frame["trial_id"][frame["verdict"] == TIE])

    def frame(self) -> pd.DataFrame:
        """Return a row a finalist, the winner first.

        ``trial_id`` (of the search), ``verdict`` (winner; tie; worse; failed where it failed more often than
        the winner), ``mean``, ``low``, ``high``, ``seeds``, ``failed``, and the paired difference from the
        winner with its interval, ``vs_winner``, ``vs_low``, ``vs_high``: of fid a ratio, of other metrics a
        difference. The intervals of all differences hold at once in 95 % of sweeps.
        """
        compared, scale = self._race.comparison, self.replicas.scale
        differences = compared.differences
        ends = np.sort(
            np.stack([scale.from_scale(differences.low), scale.from_scale(differences.high)]), axis=0
        )
        frame = self.replicas.means().reset_index()
        frame.insert(1, "verdict", self._words())
        frame["vs_winner"], frame["vs_low"], frame["vs_high"] = scale.from_scale(differences.mean), *ends
        place = frame["verdict"].map({WINNER: 0, TIE: 1, WORSE: 1} | dict.fromkeys(UNRANKED, 2))
        means = frame["mean"] if scale.less_is_better else -frame["mean"]
        return (
            frame.assign(place=place, means=means)
            .sort_values(["place", "means"], kind="stable", ignore_index=True)
            .drop(columns=["place", "means"])
        )

    def _words(self) -> list[str]:
        compared, replicas = self._race.comparison, self.replicas
        if compared.winner is None:
            return [FAILED if failed.any() else UNKNOWN for failed in replicas.failed]
        low = compared.differences.low
        words = [
            TIE if tied else WORSE if low[index] > 0 else FAILED
            for index, tied in enumerate(compared.is_tied)
        ]
        words[compared.winner] = WINNER
        return words

    def conclusion(self) -> str:
        """Return why it stopped and what is decided, in one sentence."""
        n_seeds = self._race.n_seeds
        if not self.is_finished:
            return "not finished: gan-sweep resume goes on with it"
        if self.winner is None:
            return "no finalist has a score on these seeds"
        if not self.tied:
            return f"{self.winner} is told from all others at {n_seeds} seeds"
        told = f"{n_seeds} seeds do not tell {self.winner} from {', '.join(self.tied)}"
        if self.until_resolved:
            return f"{told}, and {self.looks[-1]} are the most allowed (--max-seeds)"
        return f"{told}: they are ties; --until-resolved trains more seeds where the order is open"
