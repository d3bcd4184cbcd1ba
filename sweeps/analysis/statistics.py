"""The scale on which scores are compared, and intervals of rates.

:class:`Scale` maps scores to the scale on which they are compared: the logarithm of fid, which is positive,
skewed and compared by ratios; any other metric unchanged. How configurations are compared on that scale is in
:mod:`sweeps.analysis.comparison`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOGARITHMIC = {"fid"}
SMALLEST = 1e-12


@dataclass(frozen=True)
class Scale:
    """The scale on which scores of a metric are averaged and compared; on it, less is better.

    Args:
        metric: The metric's name.
        less_is_better: Whether a lower score is a better one.
    """

    metric: str
    less_is_better: bool

    @property
    def sign(self) -> int:
        """The factor that makes less better: 1 or -1."""
        return 1 if self.less_is_better else -1

    @property
    def is_logarithmic(self) -> bool:
        """Whether means are geometric means, and differences are ratios."""
        return self.metric in LOGARITHMIC

    @property
    def mean_name(self) -> str:
        """The name of the means that are compared: ``estimated geometric mean`` or ``estimated mean``."""
        return "estimated geometric mean" if self.is_logarithmic else "estimated mean"

    def to_scale(self, scores: Array) -> Array:
        """Return scores on the scale; NaN remains NaN."""
        values = np.log(np.maximum(scores, SMALLEST)) if self.is_logarithmic else np.asarray(scores)
        return self.sign * values

    def from_scale(self, values: Array) -> Array:
        """Return values on the scale as scores; differences become ratios, or differences of scores."""
        signed = self.sign * values
        return np.exp(signed) if self.is_logarithmic else signed

    def gain(self, scores: Array, reference: float | Array) -> Array:
        """Return how much better scores are than a reference.

        Returns:
            On the logarithmic scale a ratio, above 1 for better scores. Otherwise a difference, positive for
            better scores: a metric such as kid may be 0 or negative, and then a ratio means nothing.
        """
        if not self.is_logarithmic:
            return reference - scores if self.less_is_better else scores - reference
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(reference, scores) if self.less_is_better else np.divide(scores, reference)


def rate_interval(n_events: Array, n_tried: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the ends of Jeffreys' 95 % intervals of rates; NaN where nothing was tried.

    Reference: Brown, Cai and DasGupta (2001, doi:10.1214/ss/1009213286).

    Args:
        n_events: ``(K,)``, the number of events; expected numbers need not be whole.
        n_tried: ``(K,)``, how often an event was possible.
    """
    from scipy.special import betaincinv

    a, b = n_events + 0.5, n_tried - n_events + 0.5
    low = np.where(n_events > 0, betaincinv(a, b, 0.025), 0.0)
    high = np.where(n_events < n_tried, betaincinv(a, b, 0.975), 1.0)
    return np.where(n_tried > 0, low, np.nan), np.where(n_tried > 0, high, np.nan)


def probability_of_lower_rate(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Return the probability that the rate of ``one`` is lower than that of ``other``: events, and tries.

    Both rates have Jeffreys' prior.
    """
    from scipy.special import betainc

    points = (np.arange(2000) + 0.5) / 2000
    below_other = betainc(other[0] + 0.5, other[1] - other[0] + 0.5, points)
    cumulative = betainc(one[0] + 0.5, one[1] - one[0] + 0.5, np.linspace(0, 1, 2001))
    return float((np.diff(cumulative) * (1 - below_other)).sum())
