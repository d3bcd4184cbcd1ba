"""How good generated images are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_core.datasets import ImageDataset
from gan_core.features import ASSET_SHA256, load_digit_classifier
from gan_core.images import to_unit_range

FEATURE_BATCH = 500


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
        """Estimate from features ``(N, F)``, the covariance without bias.

        Raises:
            ValueError: There are fewer than two feature vectors.
        """
        if len(features) < 2:
            raise ValueError(f"a covariance needs at least 2 feature vectors, got {len(features)}")
        features = features.double()
        return cls(features.mean(0), features.T.cov())


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    r"""Return the squared 2-Wasserstein distance between two Gaussians: 0 or more, 0 where they are equal.

    .. math::
        |\mu_a - \mu_b|^2 + \text{tr}(\Sigma_a + \Sigma_b - 2 (\Sigma_a^{1/2} \Sigma_b \Sigma_a^{1/2})^{1/2})

    Dowson and Landau, 1982, "The Fréchet distance between multivariate normal distributions"; as a measure
    of generated images: Heusel et al., 2017 (arXiv:1706.08500). The symmetric form has real, non-negative
    eigenvalues, also where a covariance is singular.
    """
    root = _symmetric_root(a.covariance)
    eigenvalues = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0)
    cross = 2 * eigenvalues.sqrt().sum()
    traces = a.covariance.trace() + b.covariance.trace()
    distance = (a.mean - b.mean).square().sum() + traces - cross
    return float(distance.clamp(min=0))


def _symmetric_root(matrix: Tensor) -> Tensor:
    """Return the symmetric square root of a symmetric positive semi-definite matrix."""
    eigenvalues, eigenvectors = torch.linalg.eigh(matrix)
    root: Tensor = (eigenvectors * eigenvalues.clamp(min=0).sqrt()) @ eigenvectors.T
    return root


class Evaluator:
    """Scores generated images against the held-out images of a dataset, in a classifier's features.

    ``fid`` here is a Fréchet distance in the features of :class:`gan_core.features.DigitClassifier`. It
    cannot be compared with an Inception FID, nor with one of another extractor: ``extractor`` names the
    one that was used. It is biased by the number of images: compare scores of equal numbers only.

    Args:
        data: 28x28 grey images; its held-out part is the reference.
        device: Where features are computed.

    Raises:
        ValueError: The images are of another shape.
    """

    extractor = f"sha256:{ASSET_SHA256}"

    def __init__(self, data: ImageDataset, device: torch.device | str = "cpu") -> None:
        if data.image_shape != (1, 28, 28):
            raise ValueError(
                f"the digit classifier takes 28x28 grey images, {data.name} has {data.image_shape}"
            )
        self._device = torch.device(device)
        self._classifier = load_digit_classifier().to(self._device)
        self._reference = Gaussian.fit(self.features(to_unit_range(data.held_out)))
        self.floor = self._distance(to_unit_range(data.train))
        """The distance of the real training images to the reference: what a perfect generator would get."""

    def features(self, images: Tensor) -> Tensor:
        """Return the features ``(N, F)`` of images ``(N, C, H, W)`` in [-1, 1]."""
        with torch.inference_mode():
            batches = images.to(self._device).split(FEATURE_BATCH)
            return torch.cat([self._classifier.features(batch) for batch in batches])

    def __call__(self, images: Tensor) -> dict[str, float]:
        """Score generated images ``(N, C, H, W)`` in [-1, 1]: ``fid``, 0 or more, less is better."""
        return {"fid": self._distance(images)}

    def _distance(self, images: Tensor) -> float:
        return frechet_distance(Gaussian.fit(self.features(images)), self._reference)
