"""The kernel distance between two sets of features."""

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 128
"""Feature vectors per matrix product, so that the product stays in the CPU cache."""


@dataclass(frozen=True)
class MeanEmbedding:
    """A set of feature vectors and the squared norm of its kernel mean embedding.

    Args:
        features: Shape ``(N, F)``, float64.
        squared_norm: The unbiased estimate: the mean kernel over all pairs of different vectors.
    """

    features: Tensor
    squared_norm: float

    @classmethod
    def fit(cls, features: Tensor) -> "MeanEmbedding":
        """Estimate the embedding of features ``(N, F)``.

        Raises:
            ValueError: There are fewer than two feature vectors.
        """
        if len(features) < 2:
            raise ValueError(f"a kernel distance needs at least 2 feature vectors, got {len(features)}")
        features = features.double()
        return cls(features, _mean_within(features))


def kernel_distance(a: MeanEmbedding, b: MeanEmbedding) -> float:
    r"""Return the squared maximum mean discrepancy of two sets of features: KID if they are Inception's.

    .. math::
        \frac{\sum_{i \ne j} k(x_i, x_j)}{m (m - 1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{n (n - 1)}
        - \frac{2 \sum_{i, j} k(x_i, y_j)}{m n}, \quad k(x, y) = (x \cdot y / F + 1)^3

    If both sets come from one distribution, the expected value is 0 for any set sizes, so that single values
    may be negative. Other tools average over random subsets; this uses the whole sets. Bińkowski et al.,
    2018 (arXiv:1801.01401).
    """
    between = _kernel_sum(a.features, b.features) / (len(a.features) * len(b.features))
    return a.squared_norm + b.squared_norm - 2 * between


def _mean_within(x: Tensor) -> float:
    """Return the mean kernel over all pairs of different vectors, computing each pair once."""
    pairs = 0.0
    for start in range(0, len(x), CHUNK):
        chunk, later = x[start : start + CHUNK], x[start + CHUNK :]
        kernel = _kernel(chunk, chunk)
        pairs += float(kernel.sum() - kernel.trace()) / 2 + _kernel_sum(chunk, later)
    return 2 * pairs / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum(float(_kernel(chunk, y).sum()) for chunk in x.split(CHUNK))


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """Return the kernel of each pair ``(N, M)`` of features ``(N, F)`` and ``(M, F)``."""
    return torch.addmm(x.new_ones(()), x, y.T, alpha=1 / x.shape[1]).pow_(3)
