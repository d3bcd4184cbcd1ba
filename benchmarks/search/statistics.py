"""Compare the replays of several rules: medians, shares and paired ratios, each with an interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.recordings import Floats
from benchmarks.search.replay import Replay
from benchmarks.search.world import NEAR

RESAMPLES = 2000

Curves = Mapping[str, Floats]
"""The incumbent's fid for each rule, ``(seeds, reports)``; all rules have the same seeds."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95 % bootstrap interval over the seeds."""

    value: float
    low: float
    high: float

    def text(self, digits: str) -> str:
        """Return the statistic and its interval as text."""
        value, low, high = (format(each, digits) for each in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def noise_free(replays: Mapping[str, Sequence[Replay]]) -> dict[str, Floats]:
    """Return the incumbent's fid without noise."""
    return {name: np.array([one.noise_free for one in each]) for name, each in replays.items()}


def observed(replays: Mapping[str, Sequence[Replay]]) -> dict[str, Floats]:
    """Return the incumbent's fid as observed. It flatters: the incumbent is the luckiest of many."""
    return {name: np.array([one.observed for one in each]) for name, each in replays.items()}


def resampled(samples: Sequence[Floats], statistic: Callable[..., float]) -> Estimate:
    """Return a statistic of samples, whose seeds are resampled together.

    Args:
        samples: Arrays of equal length, by seed.
        statistic: A function of these arrays.
    """
    seeds = len(samples[0])
    picks = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))
    values = [statistic(*(each[pick] for each in samples)) for pick in picks]
    low, high = np.percentile(values, [2.5, 97.5], method="nearest")
    return Estimate(statistic(*samples), float(low), float(high))


def median(values: Floats) -> float:
    """Return the median."""
    return float(np.median(values))


def mean(values: Floats) -> float:
    """Return the mean."""
    return float(np.mean(values))


def share_to_reach(own: Floats, target: Floats) -> float:
    """Return the share of the reports after which the median stays at or below the target's last median.

    The share is infinity if the median never stays there.

    Args:
        own: The rule's fids, ``(seeds, reports)``.
        target: The fids of the rule to compare with.
    """
    above = np.flatnonzero(np.median(own, axis=0) > np.median(target[:, -1]))
    reports = own.shape[1]
    first = 0 if not len(above) else int(above[-1]) + 1
    return float("inf") if first == reports else (first + 1) / reports


def paired_ratio(own: Sequence[Floats], other: Sequence[Floats]) -> Estimate:
    """Return the geometric mean, over worlds and seeds, of the ratio of two rules' last fids.

    Args:
        own: The rule's last fids in each world, by seed.
        other: The last fids of the rule to compare with.
    """
    logs = [np.log(a / b) for a, b in zip(own, other, strict=True)]
    rng = np.random.default_rng(0)
    drawn = [
        np.exp(np.mean([each[rng.integers(len(each), size=len(each))].mean() for each in logs]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(np.exp(np.mean([each.mean() for each in logs]))), float(low), float(high))


def is_near(fids: Floats, best: float) -> Floats:
    """Return 1 where a noise-free fid is near the best one, else 0."""
    return np.asarray(fids <= NEAR * best, float)
