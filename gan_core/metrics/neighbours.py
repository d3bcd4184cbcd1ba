"""Measures that look at each feature vector's nearest neighbours."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 128
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
        chunks = _squared_distances(features, features)
        nearest = torch.cat([each.topk(COVERAGE_NEIGHBOURS + 1, largest=False).values for each in chunks])
        others = nearest[:, 1:]
        return cls(features, others.masked_fill(others <= _rounding(features).unsqueeze(1), 0))

    def radius(self, k: int) -> Tensor:
        """Return each ball's squared radius, which takes in the ``k``-th nearest other: shape ``(N,)``."""
        return self.radii[:, k - 1] + _rounding(self.features)


def precision_recall_coverage(fake: Manifold, real: Manifold) -> dict[str, float]:
    r"""Return how much of each set of images lies near the other one, in one pass over their pairs.

    With :math:`r_k(y)` the distance of an image to the :math:`k`-th nearest other of its own set, generated
    images :math:`x_j` and real ones :math:`y_i`:

    - ``precision``, the share of generated images that look real:
      :math:`\frac1N \sum_j \max_i \, [\, \|x_j - y_i\| \le r_3(y_i) \,]`, and
    - ``recall``, the share of real images that the generator could have made:
      :math:`\frac1M \sum_i \max_j \, [\, \|x_j - y_i\| \le r_3(x_j) \,]`: Kynkäänniemi et al., 2019
      (arXiv:1904.06991).
    - ``coverage``, the share of real images that have a generated one near:
      :math:`\frac1M \sum_i \max_j \, [\, \|x_j - y_i\| \le r_5(y_i) \,]`: Naeem et al., 2020
      (arXiv:2002.09797).

    Each is in [0, 1].
    """
    fake_radius = fake.radius(PRECISION_NEIGHBOURS)
    real_radii = (real.radius(k).split(CHUNK) for k in (PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS))
    precise = torch.zeros_like(fake_radius, dtype=torch.bool)
    recalled, covered = [], []
    chunks = _squared_distances(real.features, fake.features)
    for distances, third, fifth in zip(chunks, *real_radii, strict=True):
        precise |= (distances <= third.unsqueeze(1)).any(0)
        recalled.append((distances <= fake_radius).any(1))
        covered.append(distances.amin(1) <= fifth)
    shares = {"precision": precise, "recall": torch.cat(recalled), "coverage": torch.cat(covered)}
    return {name: float(near.double().mean()) for name, near in shares.items()}


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


def _median_nearest(points: Tensor, others: Tensor) -> float:
    points = points.double()
    nearest = torch.cat([distances.amin(1) for distances in _squared_distances(points, others.double())])
    return float(nearest.masked_fill(nearest <= _rounding(points), 0).sqrt().quantile(0.5))


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Yield the squared distances ``(chunk, M)`` from features ``(N, F)`` to ``(M, F)``, in float64.

    By the binomial formula: of equal vectors it leaves their :func:`_rounding` at most, above 0 or below.
    """
    y_norms = y.square().sum(1)
    for chunk in x.split(CHUNK):
        yield torch.addmm(y_norms, chunk, y.T, alpha=-2).add_(chunk.square().sum(1, keepdim=True))


def _rounding(features: Tensor) -> Tensor:
    """Return what counts as no distance from each feature vector, squared: shape ``(N,)``."""
    return ROUNDING * features.square().sum(1)
