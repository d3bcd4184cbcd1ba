"""The methods that judge sweeps: the model with its limits, and the paired t-test that it replaced."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdict.simulation import ERROR, chunks, in_own_units, judged, simulated_limits
from sweeps.analysis.evidence import PLANNED, Evidence, Kind, Setting, read
from sweeps.analysis.seed_noise import Array, Prior, posterior
from sweeps.analysis.statistics import Scale

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Judgements:
    """What a method says about R sweeps of K configurations; the first one has the defaults.

    Args:
        any_worse: ``(R,)``, whether any configuration is called worse than the best one.
        gain: ``(R,)``, whether the best one is called better than the defaults.
    """

    any_worse: Flags
    gain: Flags


class Method(Protocol):
    """A way to judge sweeps."""

    @property
    def name(self) -> str:
        """The method in words."""

    def judge(self, values: Array) -> Judgements:
        """Judge sweeps ``(R, K, S)``."""

    def coverage(self, values: Array) -> float:
        """Return the share of 95 % intervals of means that contain the true mean, 0."""


@dataclass(frozen=True)
class Model:
    """The model of :mod:`sweeps.analysis.seed_noise`.

    Args:
        name: The method in words.
        prior: What is known before; with ``is_own`` in units of a sweep's own deviation.
        worse: Below which probability a configuration is worse than the best one.
        planned: Below which probability of no gain a gain over the defaults is significant.
        is_own: Whether the deviation comes from the same scores.
    """

    name: str
    prior: Prior
    worse: float
    planned: float
    is_own: bool = False

    @classmethod
    def shipped(cls, kind: Kind, n_configurations: int, n_seeds: int) -> "Model":
        """Return the model with the limits that the package ships."""
        evidence = shipped_evidence(kind)
        size = n_configurations, n_seeds, n_seeds
        worse, planned = evidence.worse(*size), evidence.planned(*size)
        return cls(_NAMES[kind], evidence.base, worse, planned, is_own=kind is Kind.OWN)

    @classmethod
    def calibrated(
        cls, name: str, prior: Prior, n_configurations: int, n_seeds: int, repetitions: int
    ) -> "Model":
        """Return the model with another prior, and limits by simulation."""
        worse, planned = simulated_limits(prior, n_configurations, n_seeds, repetitions)
        return cls(name, prior, worse, min(planned, PLANNED))

    def judge(self, values: Array) -> Judgements:
        """Judge sweeps by the model."""
        found = judged(in_own_units(values) if self.is_own else values, self.prior)
        return Judgements(found.least < self.worse, found.better[:, 0] < self.planned)

    def coverage(self, values: Array) -> float:
        """Return the share of intervals that contain 0."""
        covered = []
        for part in chunks(in_own_units(values) if self.is_own else values):
            found = posterior(part, self.prior)
            place = np.abs(found.grid).argmin(axis=-1)[:, None, None]
            below = np.take_along_axis(found.below, place, axis=-1)[..., 0]
            covered.append((below > ERROR / 2) & (below < 1 - ERROR / 2))
        return float(np.concatenate(covered).mean())


_NAMES = {
    Kind.RECORDED: "model",
    Kind.ELSEWHERE: "model, other images",
    Kind.OWN: "model, other metric",
}


def shipped_evidence(kind: Kind) -> Evidence:
    """Return the evidence of a kind that the package ships."""
    content = read()
    metric = "kid" if kind is Kind.OWN else content["metric"]
    extractor = content["extractor"] if kind is Kind.RECORDED else None
    return Evidence.on(Scale(metric, less_is_better=True), Setting(content["datasets"][0], extractor))


@dataclass(frozen=True)
class PairedT:
    """The paired t-test with the winner, corrected for the choice of the winner."""

    name: str = "paired t"

    def judge(self, values: Array) -> Judgements:
        """Judge sweeps by the test."""
        t, limit = paired_t(values), _t_limit(*values.shape[1:])
        return Judgements(t.max(axis=1) > limit, t[:, 0] > limit)

    def coverage(self, values: Array) -> float:
        """Return the share of Student's intervals that contain 0."""
        from scipy.stats import t

        n = values.shape[2]
        half = t.ppf(1 - ERROR / 2, n - 1) * values.std(axis=2, ddof=1) / np.sqrt(n)
        return float((np.abs(values.mean(axis=2)) < half).mean())


def paired_t(values: Array) -> Array:
    """Return the paired t ``(R, K)`` of each configuration against the one with the least mean."""
    winner = values.mean(axis=2).argmin(axis=1)
    apart = values - values[np.arange(len(values)), winner][:, None]
    deviation = apart.std(axis=2, ddof=1)
    n = values.shape[2]
    found: Array = np.zeros_like(deviation)
    np.divide(apart.mean(axis=2) * np.sqrt(n), deviation, out=found, where=deviation > 0)
    return found


@lru_cache
def _t_limit(n_configurations: int, n_seeds: int) -> float:
    normal = np.random.default_rng(0).standard_normal((20_000, n_configurations, n_seeds))
    return float(np.quantile(paired_t(normal).max(axis=1), 1 - ERROR))
