"""Compare configurations by their scores over a few training seeds, once or after one seed at a time."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweeps.analysis.evidence import Evidence
from sweeps.analysis.seed_noise import Array, Posterior, collapse_probability, posterior

Flags = NDArray[np.bool_]

COVERED = 0.95
ERROR = 0.05
FUTILE = 0.1
"""The least chance that further seeds must have of separating two finalists."""


@dataclass(frozen=True)
class Scores:
    """The scores of K configurations over S seeds.

    Args:
        values: ``(K, S)``, less is better, a column per seed; NaN without a score.
        diverged: ``(K, S)``, True if the training diverged.
        ended: ``(K, S)``, True if the training has ended. One that ended without a score and did not diverge
            failed for reasons of the machine, and decides nothing.
        barred: ``(K,)``, True for a configuration that cannot win; None if each may.
    """

    values: Array
    diverged: Flags
    ended: Flags
    barred: Flags | None = None

    def of(self, configurations: NDArray[np.intp], n_seeds: int) -> "Scores":
        """Return the scores of some configurations on the first seeds."""
        place = configurations, slice(n_seeds)
        barred = None if self.barred is None else self.barred[configurations]
        return Scores(self.values[place], self.diverged[place], self.ended[place], barred)

    @property
    def n(self) -> NDArray[np.int64]:
        """The number of scores of each configuration, ``(K,)``."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1), dtype=np.int64)

    @property
    def can_win(self) -> Flags:
        """Which configurations have a score, are not barred, and diverged on at most half of the seeds."""
        has_score: Flags = (self.n > 0) if self.barred is None else (self.n > 0) & ~self.barred
        is_stable = has_score & (self.diverged.sum(axis=1) <= self.n)
        return is_stable if is_stable.any() else has_score


@dataclass(frozen=True)
class Means:
    """Estimates of configurations, on the scale: ``(K,)`` each, NaN where unknown.

    Args:
        mean: The mean over seeds that neither diverged nor collapsed.
        low: The lower end of its 95 % interval.
        high: The upper end.
        deviation: The standard deviation of what is known about the mean.
    """

    mean: Array
    low: Array
    high: Array
    deviation: Array


def estimate(scores: Scores, evidence: Evidence) -> tuple[Means, Posterior | None]:
    """Return the estimates of each configuration, and the posterior; None if the noise is unknown."""
    prior = evidence.prior(scores.values)
    if prior is None or not scores.values.size:
        total = np.nansum(scores.values, axis=1)
        mean = np.divide(total, scores.n, out=np.full(len(total), np.nan), where=scores.n > 0)
        unknown = np.full(len(mean), np.nan)
        return Means(mean, unknown, unknown, unknown), None
    found = posterior(scores.values, prior)
    low, high = found.interval(1 - COVERED)
    return Means(found.mean, low, high, found.deviation), found


def collapses(scores: Scores, evidence: Evidence) -> Array:
    """Return the probability ``(K, S)`` that each seed collapsed; 0 for a seed without a score."""
    prior = evidence.prior(scores.values)
    if prior is None or not scores.values.size or not prior.pi:
        return np.zeros(scores.values.shape)
    return np.nan_to_num(collapse_probability(scores.values, prior))


@dataclass(frozen=True)
class Comparison:
    """Configurations compared with the best of them; ``(K,)`` each, on the scale.

    Args:
        winner: The index of the configuration with the least mean among those that can win; None without any
            score.
        limit: Below which probability of being better a configuration is worse than the winner.
        better: The probability of being better than the winner; NaN where unknown.
        difference: The mean difference from the winner.
        low: The lower end of that difference. In 95 % of sweeps all intervals hold at once.
        high: The upper end.
        loss: By how much each configuration is worse than the best one, on average; NaN where unknown.
        spread: The standard deviation of what is known about the difference.
        n_seeds: The number of scores of each configuration.
    """

    winner: int | None
    limit: float
    better: Array
    difference: Array
    low: Array
    high: Array
    loss: Array
    spread: Array
    n_seeds: NDArray[np.int64]

    @property
    def is_worse(self) -> Flags:
        """Which configurations are significantly worse than the winner."""
        return np.nan_to_num(self.better, nan=1.0) < self.limit

    def chance(self, index: int, seeds: int) -> float:
        """Return the chance that more seeds will show a configuration to be worse than the winner.

        This is the predictive power of Spiegelhalter, Freedman and Blackburn (1986,
        doi:10.1016/0197-2456(86)90003-6), with the posterior of the difference taken as normal.

        Args:
            index: The configuration.
            seeds: The number of seeds more, of it and of the winner.
        """
        from scipy.special import ndtr, ndtri

        if self.winner is None or np.isnan(self.spread[index]):
            return float("nan")
        now, spread = self.n_seeds[[index, self.winner]].min(), self.spread[index]
        if not (seeds and spread and now):
            return 0.0
        at_end = spread * np.sqrt(now / (now + seeds))
        needed = -ndtri(self.limit) * at_end
        return float(ndtr((self.difference[index] - needed) / np.sqrt(spread**2 - at_end**2)))


def compare(scores: Scores, evidence: Evidence, looks: tuple[int, ...] | None = None) -> Comparison:
    """Compare configurations with the best of them.

    Args:
        scores: Their scores.
        evidence: What is known about the noise of seeds.
        looks: All numbers of seeds at which the configurations are compared, if there are several.
    """
    means, found = estimate(scores, evidence)
    k, nothing = len(means.mean), np.full(len(means.mean), np.nan)
    scored = np.where(scores.can_win, means.mean, np.inf)
    if not k or not scores.can_win.any():
        return Comparison(None, 0.0, nothing, nothing, nothing, nothing, nothing, nothing, scores.n)
    winner = int(scored.argmin())
    difference = means.mean - means.mean[winner]
    if found is None:
        return Comparison(winner, 0.0, nothing, difference, nothing, nothing, nothing, nothing, scores.n)
    n = int(scores.n[scores.n > 0].min())
    limit = evidence.worse(k, *((looks[0], looks[-1]) if looks and len(looks) > 1 else (n, n)))
    better = found.better_than(np.array(winner))
    better[winner] = np.nan
    ends = np.array([found.difference(index, winner, 2 * limit)[1:] for index in range(k)])
    ends[winner] = 0.0
    spread = np.hypot(means.deviation, means.deviation[winner])
    spread[winner] = 0.0
    return Comparison(
        winner,
        limit,
        better,
        difference,
        ends[:, 0],
        ends[:, 1],
        found.expected_loss(scores.can_win),
        spread,
        scores.n,
    )


def gain(
    scores: Scores, one: int, defaults: int, evidence: Evidence, looks: tuple[int, ...]
) -> "Gain | None":
    """Return the gain of a configuration over the defaults; None if the noise of seeds is unknown.

    Args:
        scores: The scores of all configurations that were compared.
        one: The configuration.
        defaults: The configuration with the defaults.
        evidence: What is known about the noise of seeds.
        looks: The numbers of seeds at which the configurations were compared; several with a race.
    """
    _, found = estimate(scores, evidence)
    if found is None or not scores.n[[one, defaults]].all():
        return None
    n = int(scores.n[[one, defaults]].min())
    first, last = (looks[0], looks[-1]) if len(looks) > 1 else (n, n)
    limit = evidence.planned(len(scores.values), first, last)
    probability = float(found.better_than(np.array(one))[defaults])
    return Gain(*found.difference(defaults, one, 1 - COVERED), probability, limit)


@dataclass(frozen=True)
class Gain:
    """The gain of a configuration over the defaults, on the scale.

    Args:
        mean: By how much it is better.
        low: The lower end of the 95 % interval.
        high: The upper end.
        no_gain: The probability that the defaults are better.
        limit: Below which probability the gain is significant.
    """

    mean: float
    low: float
    high: float
    no_gain: float
    limit: float

    @property
    def is_significant(self) -> bool:
        """Whether the gain is significant."""
        return self.no_gain < self.limit


@dataclass(frozen=True)
class Race:
    """The state of successive rejection.

    Args:
        comparison: The last comparison of each configuration with the winner.
        is_in: Which configurations are not rejected.
        n_seeds: The number of seeds at the last comparison, 0 before the first one.
        is_futile: Whether the remaining seeds could hardly reject another configuration.
    """

    comparison: Comparison
    is_in: Flags
    n_seeds: int
    is_futile: bool = False

    @property
    def is_resolved(self) -> bool:
        """Whether no configuration needs further seeds."""
        return bool(self.n_seeds and (self.is_futile or self.is_in.sum() == 1))


def race(scores: Scores, evidence: Evidence, looks: tuple[int, ...], taken: tuple[int, ...] = ()) -> Race:
    """Reject configurations significantly worse than the winner, at one number of seeds after another.

    The race pauses at the first number of seeds that a remaining configuration has not been trained on. It
    ends if one configuration is left, or if the remaining seeds have less than a chance of 10 % of rejecting
    any other. If all configurations are equal, one of them is rejected in 5 % of sweeps, over all looks
    together.

    Args:
        scores: The scores of the configurations.
        evidence: What is known about the noise of seeds.
        looks: The numbers of seeds at which configurations are compared, ascending, from 2.
        taken: Smaller numbers of seeds at which they were compared before, and none was rejected.
    """
    everything = np.arange(len(scores.values))
    merged = compare(scores.of(everything, 0), evidence)
    so_far = Race(merged, np.ones(len(everything), dtype=bool), 0)
    for look in looks:
        left = np.flatnonzero(so_far.is_in)
        has_all = scores.values.shape[1] >= look and scores.ended[left, :look].all()
        if so_far.is_resolved or not has_all:
            break
        now = compare(scores.of(everything, look), evidence, (*taken, *looks))
        if now.winner is None:
            break
        merged = _merged(so_far.comparison, now, so_far.is_in)
        is_in = so_far.is_in & ~now.is_worse & scores.of(everything, look).can_win
        is_in[now.winner] = True
        so_far = Race(merged, is_in, look, _is_futile(now, is_in, looks[-1] - look))
    return so_far


def _merged(before: Comparison, now: Comparison, is_in: Flags) -> Comparison:
    """Return the present comparison, with the earlier one of configurations that were rejected then."""
    if before.winner is None:
        return now
    kept = {
        name: np.where(is_in, getattr(now, name), getattr(before, name)) for name in ("better", "low", "high")
    }
    return replace(now, **kept)


def _is_futile(now: Comparison, is_in: Flags, seeds_left: int) -> bool:
    others = [int(index) for index in np.flatnonzero(is_in) if index != now.winner]
    return bool(others and seeds_left) and all(now.chance(index, seeds_left) < FUTILE for index in others)
