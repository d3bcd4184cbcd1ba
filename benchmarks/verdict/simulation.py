"""Simulate sweeps, and calibrate the limits of the verdict: the numerical part of ``benchmarks.verdict``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeps.analysis.seed_noise import Array, Posterior, Prior, after_each_seed, posterior

CHUNK = 50
SIZES = (2, 3, 4, 6, 11)
MOST_SEEDS = 10
SEEDS_IN_OWN_UNITS = (2, 3, 4, 5, 7, 10)
ERROR = 0.05


@dataclass(frozen=True)
class Judged:
    """What the model says about simulated sweeps.

    Args:
        better: ``(R, K)``, the probability of being better than the leader; 1 for the leader.
        leader: ``(R,)``, the configuration with the least mean.
    """

    better: Array
    leader: NDArray[np.intp]

    @property
    def least(self) -> Array:
        """The least probability of each sweep, ``(R,)``."""
        found: Array = self.better.min(axis=-1)
        return found


def chunks(values: Array) -> Iterator[Array]:
    """Yield sweeps in small parts, which fit into the processor's cache."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def judged(values: Array, prior: Prior) -> Judged:
    """Judge sweeps ``(R, K, S)`` by the model."""
    parts = [_judge(posterior(part, prior), values.shape[1]) for part in chunks(values)]
    return _joined(parts)


def judged_after_each_seed(values: Array, prior: Prior) -> dict[int, list[Judged]]:
    """Judge sweeps ``(R, K, S)`` after each seed, also for their first 2, 3, ... configurations alone."""
    parts: dict[int, list[list[Judged]]] = {size: [] for size in SIZES}
    for part in chunks(values):
        found = list(after_each_seed(part, prior))
        for size in SIZES:
            parts[size].append([_judge(each, size) for each in found])
    return {size: [_joined(each) for each in zip(*of_size, strict=True)] for size, of_size in parts.items()}


def _judge(found: Posterior, size: int) -> Judged:
    leader = found.mean[:, :size].argmin(axis=-1)
    better = found.better_than(leader)[:, :size].copy()
    np.put_along_axis(better, leader[:, None], 1.0, axis=-1)
    return Judged(better, leader)


def _joined(parts: Sequence[Judged]) -> Judged:
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("better", "leader")))


def in_own_units(values: Array) -> Array:
    """Return sweeps ``(R, K, S)`` divided by their deviation over seeds, pooled over the configurations."""
    deviation: Array = np.sqrt(values.var(axis=-1, ddof=1).mean(axis=-1))
    return values / deviation[:, None, None]


def limits(prior: Prior, repetitions: int, *, is_own: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Return the limits at which errors happen in 5 % of sweeps of equal configurations.

    Args:
        prior: The prior; with ``is_own`` in units of the pooled deviation.
        repetitions: The number of simulated sweeps.
        is_own: Whether the deviation comes from the same scores.
    """
    rng = np.random.default_rng(0)
    values = prior.draw(np.zeros((repetitions, SIZES[-1])), MOST_SEEDS, rng)
    by_size = _in_own_units_by_size(values, prior) if is_own else judged_after_each_seed(values, prior)
    return {
        "worse": {str(n): _by_looks([each.least for each in found[1:]]) for n, found in by_size.items()},
        "planned": {
            str(n): _by_looks([each.better[:, 0] for each in found[1:]]) for n, found in by_size.items()
        },
    }


def simulated_limits(
    prior: Prior, n_configurations: int, n_seeds: int, repetitions: int
) -> tuple[float, float]:
    """Return both limits for one number of configurations and of seeds: for "worse", and for a gain."""
    found = judged(
        prior.draw(np.zeros((repetitions, n_configurations)), n_seeds, np.random.default_rng(0)), prior
    )
    return float(np.quantile(found.least, ERROR)), float(np.quantile(found.better[:, 0], ERROR))


def _in_own_units_by_size(values: Array, prior: Prior) -> dict[int, list[Judged]]:
    """Judge sweeps in units of their own deviation, at some numbers of seeds; others repeat the last one."""
    found: dict[int, list[Judged]] = {}
    for size in SIZES:
        by_seeds = {s: judged(in_own_units(values[:, :size, :s]), prior) for s in SEEDS_IN_OWN_UNITS}
        nearest = [max((s for s in by_seeds if s <= seeds), default=2) for seeds in range(1, MOST_SEEDS + 1)]
        found[size] = [by_seeds[seeds] for seeds in nearest]
    return found


def _by_looks(by_seeds: list[Array]) -> dict[str, float]:
    """Return the limit for each first and last number of seeds."""
    found = {}
    for first in range(2, MOST_SEEDS + 1):
        for last in range(first, MOST_SEEDS + 1):
            least = np.min(by_seeds[first - 2 : last - 1], axis=0)
            found[f"{first}-{last}"] = round(float(np.quantile(least, ERROR)), 5)
    return found
