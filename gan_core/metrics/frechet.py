"""The Fréchet distance between two sets of features."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """The mean and covariance of a set of feature vectors.

    Args:
        mean: Shape ``(F,)``, float64.
        covariance: Shape ``(F, F)``, float64, symmetric.
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> "Gaussian":
        """Estimate the mean and the unbiased covariance of features ``(N, F)``.

        Raises:
            ValueError: There are fewer than two feature vectors.
        """
        if len(features) < 2:
            raise ValueError(f"a covariance needs at least 2 feature vectors, got {len(features)}")
        features = features.double()
        return cls(features.mean(0), features.T.cov())

    @cached_property
    def root(self) -> Tensor:
        """The symmetric square root of the covariance, computed once: it takes seconds for 2,048 features."""
        eigenvalues, eigenvectors = torch.linalg.eigh(self.covariance)
        root: Tensor = (eigenvectors * eigenvalues.clamp(min=0).sqrt()) @ eigenvectors.T
        return root


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    r"""Return the squared 2-Wasserstein distance between two Gaussians: at least 0, and 0 if they are equal.

    .. math::
        |\mu_a - \mu_b|^2 + \text{tr}(\Sigma_a + \Sigma_b - 2 (\Sigma_a^{1/2} \Sigma_b \Sigma_a^{1/2})^{1/2})

    The symmetric form has real, non-negative eigenvalues, even if a covariance is singular. Dowson and
    Landau, 1982, "The Fréchet distance between multivariate normal distributions"; as a metric of generated
    images: Heusel et al., 2017 (arXiv:1706.08500).

    Args:
        a: A Gaussian that is compared with many others: the root of its covariance is kept.
        b: The other Gaussian.
    """
    eigenvalues = torch.linalg.eigvalsh(a.root @ b.covariance @ a.root).clamp(min=0)
    cross = 2 * eigenvalues.sqrt().sum()
    traces = a.covariance.trace() + b.covariance.trace()
    distance = (a.mean - b.mean).square().sum() + traces - cross
    return float(distance.clamp(min=0))
