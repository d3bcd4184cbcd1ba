"""Measures that look at each feature vector's nearest neighbours."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 64
PRECISION_NEIGHBOURS = 3
COVERAGE_NEIGHBOURS = 5
ROUNDING = 1e-12
"""What the binomial formula may leave of a squared distance, as a share of the squared norm."""


@dataclass(frozen=True)
class Manifold:
    """A set of feature vectors and, around each, the balls that reach to its nearest neighbours.

    Args:
        features: Shape ``(N, F)``, float64.
        radii: Squared distances to the first five other vectors of the set, ascending: ``(N, 5)``.
    """

    features: Tensor
    radii: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> "Manifold":
        """Measure the balls of features ``(N, F)``.

        Raises:
            ValueError: There are fewer than six feature vectors.
        """
        if len(features) <= COVERAGE_NEIGHBOURS:
            raise ValueError(f"needs at least {COVERAGE_NEIGHBOURS + 1} feature vectors, got {len(features)}")
        features = features.double()
        return cls(features, torch.cat([*_nearest_others(features)]))

    def radius(self, k: int) -> Tensor:
        """Return each ball's squared radius, which takes in the ``k``-th nearest other: shape ``(N,)``."""
        return self.radii[:, k - 1] + ROUNDING * self.features.square().sum(1)


def precision(fake: Manifold, real: Manifold) -> float:
    r"""Return the share of generated images that look real, in [0, 1].

    .. math:: \frac1N \sum_j \max_i \, [\, \|x_j - y_i\| \le r_3(y_i) \,]

    with :math:`r_3(y_i)` the distance of a real image to its third nearest: Kynkäänniemi et al., 2019
    (arXiv:1904.06991).
    """
    return _share_within(fake.features, real)


def recall(fake: Manifold, real: Manifold) -> float:
    """Return the share of real images that the generator could have made, in [0, 1].

    :func:`precision` with the two sets exchanged.
    """
    return _share_within(real.features, fake)


def coverage(fake: Manifold, real: Manifold) -> float:
    r"""Return the share of real images that have a generated one near, in [0, 1].

    .. math:: \frac1M \sum_i \max_j \, [\, \|x_j - y_i\| \le r_5(y_i) \,]

    with :math:`r_5(y_i)` the distance of a real image to its fifth nearest: Naeem et al., 2020
    (arXiv:2002.09797).
    """
    nearest = torch.cat([distances.amin(1) for distances in _squared_distances(real.features, fake.features)])
    return float((nearest <= real.radius(COVERAGE_NEIGHBOURS)).double().mean())


def memorisation(fake: Tensor, held_out: Tensor, train: Tensor) -> float:
    r"""Return how near samples are to training images, compared with real images that no training saw.

    .. math:: \operatorname{median}_j \min_l \|x_j - t_l\| \;/\; \operatorname{median}_i \min_l \|y_i - t_l\|

    The median distance of a sample to its nearest training image over that of a held-out image to its own:
    about 1 where samples are as new as real images, towards 0 where they are copies. It is infinite where
    half of the held-out images, but not of the samples, are in the training set, and 1 where both are.

    Args:
        fake: Features ``(N, F)`` of samples.
        held_out: Features ``(M, F)`` of real images that were not trained on.
        train: Features ``(L, F)`` of the training images.

    Raises:
        ValueError: A set is empty.
    """
    if min(len(fake), len(held_out), len(train)) == 0:
        raise ValueError("memorisation needs at least 1 feature vector of each set")
    of_samples, of_held_out = (_median_nearest(features, train) for features in (fake, held_out))
    if of_held_out == 0:
        return 1.0 if of_samples == 0 else float("inf")
    return of_samples / of_held_out


def _share_within(points: Tensor, manifold: Manifold) -> float:
    """Return the share of points in at least one ball of a manifold."""
    radius = manifold.radius(PRECISION_NEIGHBOURS)
    chunks = _squared_distances(points, manifold.features)
    within = torch.cat([(distances <= radius).any(1) for distances in chunks])
    return float(within.double().mean())


def _nearest_others(features: Tensor) -> Iterator[Tensor]:
    for start, distances in enumerate(_squared_distances(features, features)):
        own = torch.arange(len(distances), device=features.device)
        distances[own, own + start * CHUNK] = torch.inf
        yield distances.topk(COVERAGE_NEIGHBOURS, largest=False).values


def _median_nearest(points: Tensor, others: Tensor) -> float:
    chunks = _squared_distances(points.double(), others.double())
    return float(torch.cat([distances.amin(1) for distances in chunks]).sqrt().quantile(0.5))


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Yield the squared distances ``(chunk, M)`` from features ``(N, F)`` to ``(M, F)``, rounding at 0.

    By the binomial formula in float64: of equal vectors it leaves less than a millionth of a millionth of
    their squared norm, which counts as none.
    """
    y_norms = y.square().sum(1)
    for chunk in x.split(CHUNK):
        x_norms = chunk.square().sum(1, keepdim=True)
        distances = torch.addmm(y_norms, chunk, y.T, alpha=-2).add_(x_norms)
        yield distances.masked_fill_(distances <= ROUNDING * x_norms, 0)
