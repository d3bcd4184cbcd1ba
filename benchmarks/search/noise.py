"""Draw the luck of a replayed trial from configurations that were recorded with several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.recordings import Floats

NEAREST = 3


@dataclass(frozen=True)
class SeedNoise:
    """How log fid varies over the seeds of one configuration.

    Args:
        levels: The log fid that each recorded configuration reaches, on average over its seeds.
        deviations: For each configuration, the curves of its seeds around their mean, ``(seeds, reports)``.
    """

    levels: Floats
    deviations: Sequence[Floats]

    @classmethod
    def of(cls, seeds: Sequence[Floats]) -> "SeedNoise":
        """Return the noise of recorded log fids ``(seeds, reports)``, one array for each configuration.

        The deviations from the mean of n curves are too small by the factor sqrt(1 - 1 / n), which is undone.
        """
        several = [curves for curves in seeds if len(curves) > 1]
        levels = np.array([curves.mean(axis=0).min() for curves in several])
        return cls(levels, [(each - each.mean(axis=0)) / np.sqrt(1 - 1 / len(each)) for each in several])

    def draw(self, expected: Floats, rng: np.random.Generator) -> Floats:
        """Return the deviations of one recorded seed, of a configuration whose level is among the nearest.

        Good and bad configurations vary differently: the deviations of a configuration at a different level
        could turn bad trials into good ones.
        """
        near = self._near(expected)
        return np.asarray(near[rng.integers(len(near))])

    def least(self, expected: Floats) -> Floats:
        """Return the least deviation that :meth:`draw` can return, for each report."""
        return np.asarray(self._near(expected).min(axis=0))

    def spread(self, expected: Floats) -> float:
        """Return the standard deviation of the log fid of the last report."""
        return float(self._near(expected)[:, -1].std())

    def _near(self, expected: Floats) -> Floats:
        nearest = np.argsort(np.abs(self.levels - expected.min()), kind="stable")[:NEAREST]
        return np.concatenate([self.deviations[index] for index in nearest])
