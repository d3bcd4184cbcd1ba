"""Compare the configurations of a search by their means over training seeds.

A search trains most configurations once. With ``early_terminate: {seeds: N}`` it trains the configurations
that lead on further seeds. The best of many single scores is lucky: another seed of that configuration scores
worse on average. The means here correct for luck. They follow by the model of
:mod:`sweeps.analysis.seed_noise`, with a normal prior on the means instead of a flat one. The mean and the
deviation of this prior are those of the configurations' first scores, less the noise of seeds (empirical
Bayes; Efron and Morris 1973, doi:10.1080/01621459.1973.10481350). A mean over few seeds is therefore drawn
more strongly towards the other configurations than a mean over many seeds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sweeps.analysis.comparison import Flags, Scores
from sweeps.analysis.evidence import Evidence
from sweeps.analysis.seed_noise import Array, Posterior, Prior, posterior
from sweeps.analysis.statistics import Scale
from sweeps.record.past import UNFINISHED
from sweeps.record.status import Status

LEAST = 3
"""The number of configurations from which the prior on the means is estimated; with fewer, it is flat."""
CHUNK = 500
"""The number of configurations that are computed at once."""


def configuration_of(row: Mapping[str, Any]) -> str:
    """Return the trial that trained a trial's configuration first; it names the configuration."""
    return str(row["of"] or row["trial_id"])


@dataclass(frozen=True)
class Estimates:
    """The configurations with a score: ``(K,)`` each, on the scale, where less is better.

    Args:
        names: The trials that trained the configurations first, in the order of their names.
        scores: Their scores over seeds, ``(K, S)``.
        mean: The estimated means over seeds.
        deviation: The standard deviations of what is known about the means; NaN where the noise is unknown.
    """

    names: list[str]
    scores: Scores
    mean: Array
    deviation: Array

    @property
    def can_win(self) -> Flags:
        """Which configurations did not diverge on more than half of their seeds."""
        return self.scores.can_win

    @cached_property
    def order(self) -> list[int]:
        """The indices of the configurations, the best mean first, those that cannot win last."""
        return [int(index) for index in np.lexsort((self.mean, ~self.can_win))]


@dataclass
class Standings:
    """The scores of a search's configurations, as far as their trainings took all steps or diverged.

    Args:
        scale: The scale on which scores are compared.
        scores: By the trial that trained a configuration first and then by trial, the final scores.
        diverged: Likewise, the trials that diverged.
    """

    scale: Scale
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    diverged: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], scale: Scale) -> "Standings":
        """Collect the scores of the record's rows of a search."""
        found = cls(scale)
        for row in rows:
            if row["status"] not in UNFINISHED:
                score = (row["final"] or {}).get(scale.metric)
                found.add(
                    configuration_of(row),
                    row["trial_id"],
                    score,
                    has_diverged=row["status"] == Status.DIVERGED,
                )
        return found

    def add(self, configuration: str, trial_id: str, score: float | None, *, has_diverged: bool) -> None:
        """Add a trial that has ended; one without a score that did not diverge changes nothing."""
        if score is not None:
            self.scores.setdefault(configuration, {})[trial_id] = score
        elif has_diverged:
            self.diverged.setdefault(configuration, set()).add(trial_id)

    @property
    def has_seeds(self) -> bool:
        """Whether any configuration has been trained on further seeds."""
        return any(
            len(trained) + len(self.diverged.get(name, ())) > 1 for name, trained in self.scores.items()
        )

    def estimates(self, evidence: Evidence, most: int | None = None) -> Estimates:
        """Return the estimated means of the configurations.

        Args:
            evidence: What is known about the noise of seeds.
            most: The number of configurations with the best plain means that are estimated; all by default.
        """
        names = sorted(self.scores)
        values = self._values(names)
        plain, first = _plain_means(values), values[:, 0] if len(names) else np.empty(0)
        if most is not None and len(names) > most:
            kept = np.sort(np.argsort(plain, kind="stable")[:most])
            names, values, plain = [names[index] for index in kept], values[kept], plain[kept]
        diverged = np.zeros((len(names), max((len(each) for each in self.diverged.values()), default=0)))
        for index, name in enumerate(names):
            diverged[index, : len(self.diverged.get(name, ()))] = 1
        scores = _with_diverged(values, diverged.astype(bool))
        prior = evidence.prior(values) if names else None
        if prior is None:
            return Estimates(names, scores, plain, np.full(len(names), np.nan))
        return Estimates(names, scores, *_model_means(values, first, prior))

    def _values(self, names: list[str]) -> Array:
        """Return the scores ``(K, S)`` on the scale, each row in the order of trials; NaN without a score."""
        rows = [[score for _, score in sorted(self.scores[name].items())] for name in names]
        values = np.full((len(names), max(map(len, rows), default=0)), np.nan)
        for index, row in enumerate(rows):
            values[index, : len(row)] = row
        return self.scale.to_scale(values)


def _with_diverged(values: Array, diverged: Flags) -> Scores:
    """Return scores with a column more for each training of a configuration that diverged."""
    empty = np.full(diverged.shape, np.nan)
    joined = np.hstack([values, empty])
    flags = np.hstack([np.zeros(values.shape, dtype=bool), diverged])
    return Scores(joined, flags, ~np.isnan(joined) | flags)


def _plain_means(values: Array) -> Array:
    n = (~np.isnan(values)).sum(axis=1)
    means: Array = np.nansum(values, axis=1) / np.maximum(n, 1)
    return means


def _model_means(values: Array, first: Array, prior: Prior) -> tuple[Array, Array]:
    """Return the posterior means ``(K,)`` of configurations and their deviations.

    Args:
        values: ``(K, S)``, the scores; NaN without a score.
        first: The first scores of all configurations, also of those that are not in ``values``.
        prior: What is known about the noise of seeds.
    """
    found = [_shrunk(posterior(part, prior), first, prior) for part in _chunks(values)]
    mean, deviation = ([getattr(each, name) for each in found] for name in ("mean", "deviation"))
    return np.concatenate(mean), np.concatenate(deviation)


def _chunks(values: Array) -> list[Array]:
    """Return the rows of scores in parts, to bound the memory."""
    return [values[start : start + CHUNK] for start in range(0, len(values), CHUNK)]


def _shrunk(found: Posterior, first: Array, prior: Prior) -> Posterior:
    """Return a posterior under a normal prior on the means, which is fitted to the first scores."""
    if len(first) < LEAST:
        return found
    noise = np.exp(2 * prior.m + 2 * prior.omega**2)
    variance = max(first.var(ddof=1) - noise, noise)
    density = found.density * np.exp(-0.5 * (found.grid - first.mean()) ** 2 / variance)
    return Posterior(found.grid, density / density.sum(axis=-1, keepdims=True))
