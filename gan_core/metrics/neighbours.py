"""Metrics that use the nearest neighbours of each feature vector."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 128
PRECISION_NEIGHBOURS = 3
COVERAGE_NEIGHBOURS = 5
ROUNDING = 1e-12
"""The maximum rounding error of a squared distance, relative to the squared norm."""


@dataclass(frozen=True)
class Manifold:
    """A set of feature vectors, each with balls that reach its nearest neighbours.

    Args:
        features: Shape ``(N, F)``, float64.
        radii: Squared distances to the five nearest neighbours within the set, ascending: ``(N, 5)``.
    """

    features: Tensor
    radii: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> "Manifold":
        """Compute the radii of features ``(N, F)``.

        Raises:
            ValueError: There are fewer than six feature vectors.
        """
        if len(features) <= COVERAGE_NEIGHBOURS:
            raise ValueError(
                f"coverage needs at least {COVERAGE_NEIGHBOURS + 1} feature vectors, got {len(features)}"
            )
        features = features.double()
        chunks = _squared_distances(features, features)
        nearest = torch.cat([each.topk(COVERAGE_NEIGHBOURS + 1, largest=False).values for each in chunks])
        others = nearest[:, 1:]
        return cls(features, others.masked_fill(others <= _rounding(features).unsqueeze(1), 0))

    def radius(self, k: int) -> Tensor:
        """Return the squared radius of each ball around ``k`` nearest neighbours: shape ``(N,)``."""
        return self.radii[:, k - 1] + _rounding(self.features)


def precision_recall_coverage(fake: Manifold, real: Manifold) -> dict[str, float]:
    r"""Return the precision, recall and coverage of generated images, each in [0, 1].

    With generated images :math:`x_j`, real images :math:`y_i`, and :math:`r_k` the distance of an image to
    its :math:`k`-th nearest neighbour in its own set:

    - ``precision``, the share of generated images inside the ball of a real image:
      :math:`\frac1N \sum_j \max_i \, [\, \|x_j - y_i\| \le r_3(y_i) \,]`, and
    - ``recall``, the share of real images inside the ball of a generated image:
      :math:`\frac1M \sum_i \max_j \, [\, \|x_j - y_i\| \le r_3(x_j) \,]`: Kynkäänniemi et al., 2019
      (arXiv:1904.06991).
    - ``coverage``, the share of real images whose ball contains a generated image:
      :math:`\frac1M \sum_i \max_j \, [\, \|x_j - y_i\| \le r_5(y_i) \,]`: Naeem et al., 2020
      (arXiv:2002.09797).
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
    r"""Return how close samples are to training images, relative to held-out real images.

    .. math:: \operatorname{median}_j \min_l \|x_j - t_l\| \;/\; \operatorname{median}_i \min_l \|y_i - t_l\|

    The median distance of the samples to their nearest training images, divided by that of the held-out
    images: about 1 if samples are as new as real images, near 0 if they are copies. If half of the held-out
    images are in the training set, the value is infinite, or 1 if half of the samples are, too.

    Args:
        fake: Features ``(N, F)`` of samples.
        held_out: Features ``(M, F)`` of held-out real images.
        train: Features ``(L, F)`` of the training images.

    Raises:
        ValueError: A set is empty.
    """
    if min(len(fake), len(held_out), len(train)) == 0:
        raise ValueError("memorisation needs at least 1 feature vector in each set")
    sample_distance, held_out_distance = (_median_nearest(features, train) for features in (fake, held_out))
    if held_out_distance == 0:
        return 1.0 if sample_distance == 0 else float("inf")
    return sample_distance / held_out_distance


def _median_nearest(points: Tensor, others: Tensor) -> float:
    points = points.double()
    nearest = torch.cat([distances.amin(1) for distances in _squared_distances(points, others.double())])
    return float(nearest.masked_fill(nearest <= _rounding(points), 0).sqrt().quantile(0.5))


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Yield the squared distances ``(chunk, M)`` from features ``(N, F)`` to ``(M, F)``, in float64.

    The binomial formula gives equal vectors a distance of up to :func:`_rounding` above or below 0.
    """
    y_norms = y.square().sum(1)
    for chunk in x.split(CHUNK):
        yield torch.addmm(y_norms, chunk, y.T, alpha=-2).add_(chunk.square().sum(1, keepdim=True))


def _rounding(features: Tensor) -> Tensor:
    """Return the squared distance from each feature vector that counts as 0: shape ``(N,)``."""
    return ROUNDING * features.square().sum(1)
