"""Metrics that use the nearest neighbours of each feature vector."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 128
PRECISION_NEIGHBOURS = 3
COVERAGE_NEIGHBOURS = 5
NEAREST_SHARE = 0.01
"""The share of held-out images whose distance to the training images counts as that of a copy."""
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


def nearest_distances(points: Tensor, others: Tensor) -> Tensor:
    """Return the distance of each feature vector ``(N, F)`` to the nearest of others ``(M, F)``: ``(N,)``.

    Raises:
        ValueError: A set is empty.
    """
    if min(len(points), len(others)) == 0:
        raise ValueError("a nearest neighbour needs at least 1 feature vector in each set")
    points = points.double()
    nearest = torch.cat([distances.amin(1) for distances in _squared_distances(points, others.double())])
    return nearest.masked_fill(nearest <= _rounding(points), 0).sqrt()


def memorisation(samples: Tensor, held_out: Tensor) -> float:
    r"""Return how close samples are to training images, relative to held-out real images.

    The median of the samples' :func:`nearest_distances` to the training images, divided by that of the
    held-out images: about 1 if samples are as new as real images, near 0 if most of them are copies. If half
    of the held-out images are in the training set, the value is infinite, or 1 if half of the samples are,
    too. :func:`copies` also notices fewer copies.

    Args:
        samples: The distances ``(N,)`` of samples to their nearest training images.
        held_out: The distances ``(M,)`` of held-out real images to theirs.
    """
    sample_distance, held_out_distance = (float(each.quantile(0.5)) for each in (samples, held_out))
    if held_out_distance == 0:
        return 1.0 if sample_distance == 0 else float("inf")
    return sample_distance / held_out_distance


def copies(samples: Tensor, held_out: Tensor) -> float:
    r"""Return the share of samples that are copies of training images, in [0, 1].

    .. math:: \max(0, \; P[d \le q] - P[d' \le q])

    with the :func:`nearest_distances` to the training images, :math:`d` of samples and :math:`d'` of held-out
    real images, and :math:`q`, the distance of the nearest 1 % of the held-out images. The second term is
    the share that chance gives: 1 %, or more if more held-out images are as near as that.

    Args:
        samples: The distances ``(N,)`` of samples to their nearest training images.
        held_out: The distances ``(M,)`` of held-out real images to theirs.
    """
    limit = held_out.quantile(NEAREST_SHARE, interpolation="lower")
    near, by_chance = (float((each <= limit).double().mean()) for each in (samples, held_out))
    return max(0.0, near - by_chance)


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
