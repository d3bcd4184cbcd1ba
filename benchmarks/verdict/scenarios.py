"""Draw sweeps of configurations with known means: simulated ones, and resamples of recorded replicas."""

from dataclasses import dataclass, replace
from math import log
from typing import Protocol

import numpy as np

from sweeps.analysis.seed_noise import Array, Prior

TYPICAL = 0.25
ONE = 1e-9
"""An omega of nearly 0: all configurations have the same deviation."""


class Scenario(Protocol):
    """How the scores of configurations vary over seeds, on the scale of log fid."""

    @property
    def name(self) -> str:
        """What is drawn, in words."""

    def draw(self, means: Array, n: int, n_seeds: int, rng: np.random.Generator) -> Array:
        """Return ``n`` sweeps of configurations with ``means`` ``(K,)``: scores ``(n, K, n_seeds)``."""


@dataclass(frozen=True)
class Simulated:
    """Simulated scores.

    Args:
        name: What is simulated.
        prior: Deviations and collapses.
        deviations: The deviation of each configuration, in random order; None: they are drawn from ``prior``.
    """

    name: str
    prior: Prior
    deviations: tuple[float, ...] | None = None

    def draw(self, means: Array, n: int, n_seeds: int, rng: np.random.Generator) -> Array:
        """Return ``n`` simulated sweeps."""
        everywhere = np.broadcast_to(means, (n, len(means)))
        if self.deviations is None:
            return self.prior.draw(everywhere, n_seeds, rng)
        order = rng.permuted(np.tile(self.deviations, (n, 1)), axis=1)
        unit = replace(self.prior, m=0.0, omega=ONE, pi=0.0).draw(np.zeros(everywhere.shape), n_seeds, rng)
        return everywhere[..., None] + order[..., None] * unit


def simulated(recorded: Prior) -> list[Simulated]:
    """Return the scenarios; the last two show what happens if the prior's deviations are too small."""
    fixed = Prior(log(TYPICAL), ONE, 0.0, 1.5)
    return [
        Simulated("deviation 0.25", fixed),
        Simulated("deviations 0.1, 0.25, 0.4", fixed, (0.1, 0.25, 0.4)),
        Simulated("log-normal deviations around 0.22, sigma 0.5", Prior(log(0.22), 0.5, 0.0, 1.5)),
        Simulated("the same, and one seed in ten collapses", Prior(log(0.22), 0.5, 0.1, 1.5)),
        Simulated("as the model assumes", recorded),
        Simulated("1.25 times larger than the model assumes", recorded.in_units_of(1.25)),
        Simulated("1.5 times larger", recorded.in_units_of(1.5)),
    ]


@dataclass(frozen=True)
class Resampled:
    """Scores of recorded configurations: of several, drawn with replacement and centred on their means.

    The deviation of n scores from their mean is too small by sqrt((n - 1) / n), which is corrected.

    Args:
        name: What is drawn.
        scores: ``(C, N)``, the recorded scores; NaN without a score.
    """

    name: str
    scores: Array

    def draw(self, means: Array, n: int, n_seeds: int, rng: np.random.Generator) -> Array:
        """Return ``n`` resampled sweeps."""
        known = (~np.isnan(self.scores)).sum(axis=1)
        centred = self.scores - np.nanmean(self.scores, axis=1, keepdims=True)
        centred *= np.sqrt(known / (known - 1))[:, None]
        several = [row[~np.isnan(row)] for row in centred]
        picked = rng.integers(len(several), size=(n, len(means)))
        drawn = np.array([[rng.choice(several[i], n_seeds) for i in each] for each in picked])
        found: Array = means[:, None] + drawn
        return found


@dataclass(frozen=True)
class Dealt:
    """Scores of one recorded configuration, its seeds dealt out: equal configurations as they really are.

    Args:
        name: What is drawn.
        scores: ``(C, N)``, the recorded scores, of which only complete rows are used.
    """

    name: str
    scores: Array

    def draw(self, means: Array, n: int, n_seeds: int, rng: np.random.Generator) -> Array:
        """Return ``n`` sweeps.

        Raises:
            ValueError: The seeds do not suffice for so many configurations.
        """
        whole = self.scores[~np.isnan(self.scores).any(axis=1)]
        needed = len(means) * n_seeds
        if needed > whole.shape[1]:
            raise ValueError(f"{whole.shape[1]} seeds do not suffice for {len(means)} times {n_seeds}")
        order = rng.permuted(whole[rng.integers(len(whole), size=n)], axis=1)[:, :needed]
        found: Array = means[:, None] + order.reshape(n, len(means), n_seeds)
        return found
