r"""Model how scores vary over training seeds, and estimate configurations by the model.

On the scale of :class:`sweeps.analysis.statistics.Scale`, where less is better, seed s of configuration k has
the score

.. math:: x_{ks} = \mu_k + D z_{ks} + e_{ks}, \quad e_{ks} \sim N(0, \sigma_k^2 + \tau^2 z_{ks}),
   \quad z_{ks} \sim \mathrm{Bernoulli}(\pi), \quad \log \sigma_k \sim N(m, \omega^2)

with a flat prior on the means. z is 1 for a seed that collapses: it scores worse by about D. Three seeds say
little about a deviation. The prior adds what recorded replicas say about deviations, and the data decide how
far a configuration's own deviation differs. This is empirical Bayes: moderated variances (Smyth 2004,
doi:10.2202/1544-6115.1027) with a log-normal prior instead of an inverse gamma, and a contaminated normal
(Tukey 1960) for the errors. The posteriors are computed on a grid of means and deviations.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEVIATION_POINTS = np.linspace(-2.8, 2.8, 9)
"""Grid of log deviations, in units of omega around m."""
MEAN_POINTS, MOST_MEAN_POINTS = 240, 20_000
"""Grid points of the means: at least, and at most."""
POINTS_PER_DEVIATION = 2
"""How many grid points of the means lie within the prior's median deviation, up to the most points."""
COLLAPSE_SPREAD = 0.4
"""tau: the additional deviation of collapsed seeds."""
MARGIN = 5.0
"""How far the grid of means extends beyond the scores, in units of the prior's median deviation."""
TINY = 1e-300


@dataclass(frozen=True)
class Prior:
    """What is known about deviations and collapses before a configuration is trained.

    Args:
        m: The mean of the logarithm of a configuration's deviation over seeds.
        omega: The standard deviation of that logarithm.
        pi: The probability that a seed collapses.
        shift: D, by how much a collapsed seed is worse; in units of the scale.
    """

    m: float
    omega: float
    pi: float
    shift: float

    def wider(self, by: float) -> "Prior":
        """Return a prior that knows less about deviations: ``by`` is added to omega, in quadrature."""
        return replace(self, omega=float(np.hypot(self.omega, by)))

    def in_units_of(self, deviation: float) -> "Prior":
        """Return the prior of scores that are ``deviation`` times as large."""
        return replace(self, m=self.m + float(np.log(deviation)), shift=self.shift * deviation)

    def draw(self, means: Array, n_seeds: int, rng: np.random.Generator) -> Array:
        """Return simulated scores ``(..., K, n_seeds)`` of configurations with ``means`` ``(..., K)``."""
        deviations = np.exp(rng.normal(self.m, self.omega, means.shape))[..., None]
        shape = (*means.shape, n_seeds)
        collapsed = rng.random(shape) < self.pi
        spread = np.sqrt(deviations**2 + COLLAPSE_SPREAD**2 * collapsed)
        drawn: Array = means[..., None] + self.shift * collapsed + spread * rng.standard_normal(shape)
        return drawn

    def as_json(self) -> dict[str, float]:
        """Return the prior as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Posterior:
    """What is known about the means of configurations after some seeds.

    Args:
        grid: ``(..., M)``, ascending and equidistant.
        density: ``(..., K, M)``, the probabilities of the grid points; NaN without scores.
    """

    grid: Array
    density: Array

    @property
    def mean(self) -> Array:
        """The posterior means ``(..., K)``."""
        found: Array = (self.density * self.grid[..., None, :]).sum(axis=-1)
        return found

    @property
    def deviation(self) -> Array:
        """The posterior standard deviations ``(..., K)``."""
        apart = self.grid[..., None, :] - self.mean[..., None]
        found: Array = np.sqrt((self.density * apart**2).sum(axis=-1))
        return found

    @property
    def below(self) -> Array:
        """The probability ``(..., K, M)`` that a mean is below each grid point."""
        found: Array = self.density.cumsum(axis=-1) - self.density / 2
        return found

    def better_than(self, other: NDArray[np.intp]) -> Array:
        """Return the probability ``(..., K)`` that each mean is less than that of configuration ``other``."""
        of_other = np.take_along_axis(self.density, other[..., None, None], axis=-2)
        found: Array = (self.below * of_other).sum(axis=-1)
        return found

    def interval(self, error: float) -> tuple[Array, Array]:
        """Return the ends ``(..., K)`` of intervals that miss the means with probability ``error``."""
        return self._quantile(self.below, error / 2), self._quantile(self.below, 1 - error / 2)

    def _quantile(self, below: Array, level: float) -> Array:
        shape = below.shape[:-1]
        flat = below.reshape(-1, below.shape[-1])
        grids = np.broadcast_to(self.grid[..., None, :], below.shape).reshape(flat.shape)
        rows = zip(flat, grids, strict=True)
        found = [np.interp(level, row, grid) if row[-1] > 0 else np.nan for row, grid in rows]
        return np.array(found, dtype=float).reshape(shape)

    def difference(self, one: int, other: int, error: float) -> tuple[float, float, float]:
        """Return the mean difference of two means, with its interval, for one sweep without batch axes."""
        step = self.grid[1] - self.grid[0]
        density = np.convolve(self.density[one], self.density[other][::-1])
        apart = (np.arange(len(density)) - (len(self.grid) - 1)) * step
        below = density.cumsum() - density / 2
        low, high = np.interp([error / 2, 1 - error / 2], below, apart)
        return float(self.mean[one] - self.mean[other]), float(low), float(high)

    def expected_loss(self, among: NDArray[np.bool_]) -> Array:
        """Return by how much each mean is greater than the least one of some, on average: ``(..., K)``.

        Args:
            among: ``(K,)``, the configurations of which one is the best.
        """
        none_below = np.prod(1 - self.below[..., among, :], axis=-2)
        step = self.grid[..., 1] - self.grid[..., 0]
        least = self.grid[..., 0] + none_below.sum(axis=-1) * step - step / 2
        loss: Array = np.maximum(self.mean - least[..., None], 0.0)
        return loss


def posterior(values: Array, prior: Prior) -> Posterior:
    """Return what scores say about the means of configurations.

    Args:
        values: ``(..., K, S)``, less is better; NaN without a score.
        prior: What is known before.
    """
    grid = _grid(values, prior)
    density = _joint(values, grid, prior).sum(axis=-2)
    density[np.isnan(values).all(axis=-1)] = np.nan
    return Posterior(grid, density)


def after_each_seed(values: Array, prior: Prior) -> Iterator[Posterior]:
    """Yield the posteriors after the first seed, the first two seeds, and so on, all on one grid."""
    grid = _grid(values, prior)
    so_far: Array | float = np.log(_deviation_weights())[:, None]
    for seed in range(values.shape[-1]):
        so_far = so_far + _log_likelihood(values[..., seed : seed + 1], grid, prior)
        yield Posterior(grid, _normalised(so_far).sum(axis=-2))


def collapse_probability(values: Array, prior: Prior) -> Array:
    """Return the probability ``(..., K, S)`` that each seed collapsed; NaN for a seed without a score."""
    grid = _grid(values, prior)
    joint, collapsed = _joint(values, grid, prior), np.zeros(values.shape)
    for index, deviation in enumerate(_deviations(prior)):
        good, bad = _densities(values, grid, prior, deviation)
        collapsed += (bad / (good + bad + TINY) * joint[..., index, None, :]).sum(axis=-1)
    return np.where(np.isnan(values), np.nan, collapsed)


def chance_below(found: Posterior, prior: Prior, score: float, n: int) -> Array:
    """Return the probability ``(K,)`` that the best of n other configurations scores below ``score``.

    Each of them has the same mean as the known configuration, a deviation of its own, and one seed.
    """
    apart, below = score - found.grid, np.zeros_like(found.grid)
    for weight, deviation in zip(_deviation_weights(), _deviations(prior), strict=True):
        spread = np.hypot(deviation, COLLAPSE_SPREAD)
        good, bad = _normal_cdf(apart / deviation), _normal_cdf((apart - prior.shift) / spread)
        below += weight * ((1 - prior.pi) * good + prior.pi * bad)
    chance: Array = (found.density * (1 - (1 - below) ** n)).sum(axis=-1)
    return chance


def log_evidence(values: Array, prior: Prior) -> float:
    """Return the log marginal likelihood of ``(K, S)`` scores, by which priors are fitted to replicas."""
    grid = _grid(values[:, None, :], prior)
    likelihood = _log_likelihood(values[:, None, :], grid, prior)[:, 0]
    likelihood += np.log(_deviation_weights())[:, None]
    greatest = likelihood.max(axis=(-2, -1))
    step = grid[..., 1] - grid[..., 0]
    total = np.exp(likelihood - greatest[:, None, None]).sum(axis=(-2, -1)) * step
    return float((greatest + np.log(total)).sum())


def _deviations(prior: Prior) -> Array:
    found: Array = np.exp(prior.m + prior.omega * DEVIATION_POINTS)
    return found


def _deviation_weights() -> Array:
    weights = np.exp(-(DEVIATION_POINTS**2) / 2)
    found: Array = weights / weights.sum()
    return found


def _normal_cdf(z: Array) -> Array:
    from scipy.special import ndtr

    found: Array = ndtr(z)
    return found


def _grid(values: Array, prior: Prior) -> Array:
    """Return the grid ``(..., M)`` of means, which all configurations share."""
    margin = MARGIN * np.exp(prior.m)
    known = np.where(np.isnan(values), np.inf, values)
    least = known.min(axis=(-2, -1)) - margin - (prior.shift if prior.pi else 0.0)
    greatest = np.where(np.isinf(known), -np.inf, known).max(axis=(-2, -1)) + margin
    ends = np.where(np.isfinite(least), least, 0.0), np.where(np.isfinite(greatest), greatest, 1.0)
    needed = POINTS_PER_DEVIATION * float((ends[1] - ends[0]).max()) / np.exp(prior.m)
    return np.moveaxis(np.linspace(*ends, int(np.clip(needed, MEAN_POINTS, MOST_MEAN_POINTS))), 0, -1)


def _joint(values: Array, grid: Array, prior: Prior) -> Array:
    """Return the probabilities ``(..., K, G, M)`` of deviation and mean."""
    likelihood = _log_likelihood(values, grid, prior) + np.log(_deviation_weights())[:, None]
    return _normalised(likelihood)


def _normalised(likelihood: Array) -> Array:
    joint: Array = np.exp(likelihood - likelihood.max(axis=(-2, -1), keepdims=True))
    joint /= joint.sum(axis=(-2, -1), keepdims=True)
    return joint


def _log_likelihood(values: Array, grid: Array, prior: Prior) -> Array:
    """Return the log likelihood ``(..., K, G, M)`` of each deviation and mean."""
    found = np.empty((*values.shape[:-1], len(DEVIATION_POINTS), grid.shape[-1]))
    for index, deviation in enumerate(_deviations(prior)):
        good, bad = _densities(values, grid, prior, deviation)
        found[..., index, :] = np.log(good + bad + TINY).sum(axis=-2)
    return found


def _densities(values: Array, grid: Array, prior: Prior, deviation: float) -> tuple[Array, Array]:
    """Return the densities ``(..., K, S, M)`` of scores of seeds that do not collapse, and that do."""
    known = ~np.isnan(values)[..., None]
    apart = np.nan_to_num(values)[..., None] - grid[..., None, None, :]
    scale = np.sqrt(2 * np.pi) * deviation
    good = (1 - prior.pi) / scale * np.exp(-0.5 * (apart / deviation) ** 2)
    if not prior.pi:
        return np.where(known, good, 1.0), np.zeros_like(good)
    spread = np.hypot(deviation, COLLAPSE_SPREAD)
    bad = prior.pi / (np.sqrt(2 * np.pi) * spread) * np.exp(-0.5 * ((apart - prior.shift) / spread) ** 2)
    return np.where(known, good, 1.0), np.where(known, bad, 0.0)
