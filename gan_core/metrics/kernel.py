"""The kernel distance between two sets of features."""

from torch import Tensor

CHUNK = 32
"""Vectors that are compared at a time with all others, so that the products stay in cache."""


def kernel_distance(fake: Tensor, real: Tensor) -> float:
    r"""Return the squared maximum mean discrepancy of two sets of features, KID where they are Inception's.

    .. math::
        \frac{\sum_{i \ne j} k(x_i, x_j)}{m (m - 1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{n (n - 1)}
        - \frac{2 \sum_{i, j} k(x_i, y_j)}{m n}, \quad k(x, y) = (x \cdot y / F + 1)^3

    Bińkowski et al., 2018 (arXiv:1801.01401). It is 0 on average where both sets are drawn from one
    distribution, whatever their sizes, and so also negative by chance. Other tools average over random
    subsets; this is the value of the whole sets.

    Args:
        fake: Features ``(N, F)`` of generated images.
        real: Features ``(M, F)`` of real ones.

    Raises:
        ValueError: A set has fewer than two feature vectors.
    """
    if min(len(fake), len(real)) < 2:
        raise ValueError(f"a kernel distance needs at least 2 feature vectors, got {len(fake)}, {len(real)}")
    fake, real = fake.double(), real.double()
    between = _kernel_sum(fake, real) / (len(fake) * len(real))
    return _mean_within(fake) + _mean_within(real) - 2 * between


def _mean_within(x: Tensor) -> float:
    """Return the mean kernel of a set's pairs of different vectors, each pair computed once."""
    pairs = 0.0
    for start in range(0, len(x), CHUNK):
        chunk, later = x[start : start + CHUNK], x[start + CHUNK :]
        kernel = _kernel(chunk @ chunk.T, x.shape[1])
        pairs += float(kernel.sum() - kernel.trace()) / 2 + _kernel_sum(chunk, later)
    return 2 * pairs / (len(x) * (len(x) - 1))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum(float(_kernel(chunk @ y.T, x.shape[1]).sum()) for chunk in x.split(CHUNK))


def _kernel(products: Tensor, n_features: int) -> Tensor:
    base = products.div_(n_features).add_(1)
    return base.square().mul_(base)
