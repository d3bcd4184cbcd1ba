"""What is known about the noise of seeds before a confirmation, and the limits that keep its errors rare.

``python -m benchmarks.verdict fit`` fits the priors in ``seed_noise.json`` to recorded replicas, and
calibrates the limits by simulation. Three kinds of evidence exist:

- ``recorded``: the recorded replicas have the metric, the kind of dataset, the extractor and the training
  loop of the sweep;
- ``elsewhere``: the metric is fid, but the dataset, the extractor or the loop differs; the prior is wider;
- ``own``: another metric. Its deviations come from the sweep's own finalists, pooled.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import isnan, log, nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.analysis.seed_noise import Array, Prior
from sweeps.analysis.statistics import Scale

FILE = Path(__file__).with_name("seed_noise.json")
MEDIAN_DISTANCE = sqrt(2) * 0.6745
"""The median distance of two draws of a normal distribution, in units of its deviation."""
PLANNED = 0.025
"""The largest probability of no gain at which a gain over the defaults is significant."""


class Kind(StrEnum):
    """Where the evidence on the noise of seeds comes from."""

    RECORDED = "recorded"
    ELSEWHERE = "elsewhere"
    OWN = "own"

    @property
    def words(self) -> str:
        """The source in words for people."""
        return {
            "recorded": "known from recorded replicas of this kind of images, with this extractor and loop",
            "elsewhere": "assumed to be roughly that of recorded replicas, which have other images, another"
            " extractor or another training loop",
            "own": "estimated from these finalists alone",
        }[self]


@lru_cache
def read() -> dict[str, Any]:
    """Return the content of the data file."""
    content: dict[str, Any] = json.loads(FILE.read_text())
    return content


@dataclass(frozen=True)
class Setting:
    """What a sweep trains on, by what loop, and what measures its scores.

    Args:
        dataset: The dataset's name.
        extractor: The SHA-256 of the extractor; None if it is unknown.
        loop: The import path of the training loop; None for the built-in one.
    """

    dataset: str | None
    extractor: str | None
    loop: str | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether replicas were recorded in this setting."""
        content = read()
        is_known = self.dataset in content["datasets"] and self.extractor == content["extractor"]
        return is_known and self.loop is None


@dataclass(frozen=True)
class Evidence:
    """Evidence on the noise of seeds of one metric.

    Args:
        kind: Where it comes from.
        base: The prior; of the kind ``own``, in units of the pooled deviation.
        limits: The calibrated limits: by question, number of configurations and looks.
    """

    kind: Kind
    base: Prior
    limits: dict[str, dict[str, dict[str, float]]]

    @classmethod
    def on(cls, scale: Scale, setting: Setting) -> "Evidence":
        """Return the evidence on a metric in a setting."""
        content = read()
        kind = Kind.OWN
        if scale.metric == content["metric"]:
            kind = Kind.RECORDED if setting.is_recorded else Kind.ELSEWHERE
        return cls(kind, Prior(**content["priors"][kind]), content["limits"][kind])

    def prior(self, values: Array) -> Prior | None:
        """Return the prior for the scores ``(K, S)`` of a sweep; None if their noise is unknown."""
        if self.kind is not Kind.OWN:
            return self.base
        deviation = pooled_deviation(values)
        return None if not deviation > 0 else self.base.in_units_of(deviation)

    def distance_of_two_seeds(self, values: Array, steps: Iterable[int]) -> float | None:
        """Return the median distance of the scores of two seeds of one configuration, on the scale.

        Args:
            values: ``(K, S)``, the scores of the sweep's own confirmed configurations.
            steps: The numbers of steps of the sweep's trials. Recorded replicas count only for trials that
                are as long as replicas are.

        Returns:
            The distance by the recorded replicas or, elsewhere, by ``values``; None without two seeds.
        """
        least, most = read()["steps"]
        if self.kind is Kind.RECORDED and all(least <= each <= most for each in steps):
            return float(read()["distance_of_two_seeds"])
        deviation = pooled_deviation(values) if values.size else nan
        return None if isnan(deviation) else MEDIAN_DISTANCE * deviation

    def worse(self, n_configurations: int, first: int, last: int) -> float:
        """Return below which probability of being better a configuration is worse than the best one.

        Were all configurations equal, one of them would be called worse in 5 % of sweeps.

        Args:
            n_configurations: The number of configurations.
            first: The number of seeds at the first comparison.
            last: The number of seeds at the last one; between them, each number of seeds has a comparison.
        """
        return self._limit("worse", n_configurations, first, last)

    def planned(self, n_configurations: int, first: int, last: int) -> float:
        """Return below which probability of no gain a gain over the defaults is significant."""
        return min(PLANNED, self._limit("planned", n_configurations, first, last))

    def _limit(self, question: str, n_configurations: int, first: int, last: int) -> float:
        """Return the limit of the next larger simulated numbers; beyond the largest, a cautious one."""
        table = self.limits[question]
        sizes = sorted(map(int, table))
        size = next((size for size in sizes if size >= n_configurations), sizes[-1])
        most = max(int(looks.partition("-")[2]) for looks in table[str(size)])
        start, end = min(max(first, 2), most), min(max(last, 2), most)
        limit = table[str(size)][f"{start}-{end}"]
        more_configurations = max(1.0, (n_configurations - 1) / (size - 1))
        more_looks = 1 + (log(last / end) if last > end and last > first else 0.0)
        return limit / (more_configurations * more_looks)


def pooled_deviation(values: Array) -> float:
    """Return the deviation over seeds, pooled over configurations, of ``(K, S)`` scores; NaN without any."""
    known = ~np.isnan(values)
    n = known.sum(axis=-1)
    means = np.where(known, values, 0).sum(axis=-1) / np.maximum(n, 1)
    squares = np.where(known, (values - means[..., None]) ** 2, 0).sum(axis=(-2, -1))
    degrees = np.maximum(n - 1, 0).sum(axis=-1)
    return float(np.sqrt(squares / degrees)) if degrees else float("nan")
