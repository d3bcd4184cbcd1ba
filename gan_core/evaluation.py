"""Score generated images against the reference images of a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from gan_core.accuracy import Accuracy
from gan_core.datasets import ImageDataset
from gan_core.deprecation import renamed_arguments
from gan_core.errors import ExtractorUnavailableError
from gan_core.extractors import load_extractor
from gan_core.images import normalize
from gan_core.metrics import (
    Gaussian,
    Manifold,
    MeanEmbedding,
    class_kl,
    copies,
    frechet_distance,
    kernel_distance,
    memorisation,
    modes,
    nearest_distances,
    precision_recall_coverage,
)

FEATURE_BATCH = 250
MAX_FLOOR_IMAGES = 10_000

Reference = Literal["held-out", "train"]


@dataclass(frozen=True)
class Floor:
    """The scores of real images that are not in the reference: a perfect generator would get them.

    Args:
        images: The number of real images; fewer than requested if the dataset has no more.
        scores: Their scores, as :meth:`Evaluator.score` returns them.
    """

    images: int
    scores: dict[str, float]


class Evaluator:
    """Score generated images against the reference images of a dataset, in the features of an extractor.

    Compare scores only with scores of the same extractor and the same reference; ``classifier`` scores are
    not comparable with published ones. ``fid`` is biased by the number of images: compare scores of equal
    numbers only.

    Args:
        data: The dataset.
        device: The device to compute features on.
        extractor: ``classifier``, ``inception`` or an import path; see
            :func:`gan_core.extractors.load_extractor`.
        weights: The extractor's weights from :func:`gan_core.extractors.train_extractor`, if at hand.
        reference: The part of the dataset that samples are compared with: ``held-out``, or ``train`` as in
            published scores of CIFAR-10 and FFHQ, which do not notice copies of training images.

    Attributes:
        extractor: The SHA-256 of the extractor's weights: ``sha256:280d46...``.
        accuracy: The accuracy of the extractor's classifier on the held-out images; None without one.

    Raises:
        UnknownNameError: No extractor has this name.
        ImportPathError: The import path does not lead to an extractor.
        ExtractorUnavailableError: The extractor is not available for these images, or its classifier is not
            significantly better than chance.
        ContractError: A user's own extractor breaks its contract.
        CacheError: The classifier is not cached yet, and the cache directory cannot be written.
    """

    extractor: str
    accuracy: Accuracy | None

    @renamed_arguments(classifier="weights")
    def __init__(
        self,
        data: ImageDataset,
        device: torch.device | str = "cpu",
        extractor: str = "classifier",
        weights: bytes | None = None,
        reference: Reference = "held-out",
    ) -> None:
        self._device = torch.device(device)
        self._data = data
        self._reference_part = reference
        loaded = load_extractor(extractor, data, device, weights)
        self._network = loaded.network
        self.extractor = f"sha256:{loaded.sha256}"
        self._held_out, logits = self._features(data.held_out.split(FEATURE_BATCH))
        self.accuracy = self._accuracy(logits)
        self._floors: dict[int, Floor] = {}
        features = self._train if reference == "train" else self._held_out
        self._gaussian = Gaussian.fit(features)
        self._embedding = MeanEmbedding.fit(features)
        self._manifold = Manifold.fit(features)

    @property
    def protocol(self) -> str:
        """The extractor and, if it is the training part, the reference: equal if scores are comparable."""
        return f"{self.extractor} against train" if self._reference_part == "train" else self.extractor

    def _accuracy(self, logits: Tensor | None) -> Accuracy | None:
        """Return the accuracy of the extractor's classifier on the held-out images, if it has one.

        Raises:
            ExtractorUnavailableError: The accuracy is not above chance, on enough images to say so.
        """
        labels = self._data.held_out_labels
        if logits is None or labels is None:
            return None
        accuracy = Accuracy.measure(logits, labels)
        if accuracy.is_chance:
            raise ExtractorUnavailableError(
                f"{self._data.name}: the classifier that would measure the scores is {accuracy}, which is not"
                " significantly better than naming the largest class: correct the labels (of folder:PATH,"
                " the subfolders are the classes), add images, or use extractor: inception"
            )
        return accuracy

    def warnings(self, samples: Iterable[int]) -> list[str]:
        """Return why scores of so many samples are less reliable than they look; often an empty list.

        Args:
            samples: The numbers of samples per score, such as ``eval_samples`` and ``final_samples``.
        """
        found = []
        if self.accuracy and not self.accuracy.is_significant:
            found.append(
                f"the classifier that measures the scores is {self.accuracy}: too few images to know whether"
                " it has learned the classes; add images, or use extractor: inception"
            )
        elif self.accuracy and self.accuracy.is_weak:
            found.append(
                f"the classifier that measures the scores is weak: it is {self.accuracy}; distances in its"
                " features say little, so look at samples too, or use extractor: inception"
            )
        n_reference, dimensions = len(self._manifold.features), self._manifold.features.shape[1]
        few = sorted({n for n in samples if n <= dimensions})
        if few:
            found.append(
                f"fid compares covariances of {dimensions:,} features, and {few[0]:,} samples do not"
                f" determine one: type {dimensions + 1} or more for eval_samples and final_samples"
            )
        if n_reference <= dimensions:
            found.append(
                f"fid compares covariances of {dimensions:,} features, and the {n_reference:,}"
                f" {self._reference_part} images do not determine one: add images, or use an extractor with"
                " fewer features"
            )
        return found

    @property
    def floors(self) -> dict[str, float]:
        """The scores of up to 10,000 real images: equal scores mean equal images."""
        return self.floor(MAX_FLOOR_IMAGES).scores

    def floor(self, samples: int) -> Floor:
        """Return the scores of ``samples`` real images, or of all there are, computed once.

        Against the held-out images, training images are scored; against the training images, held-out ones.
        They are spread evenly over their part.
        """
        real = self._data.held_out if self._reference_part == "train" else self._data.train
        n = min(samples, len(real))
        if n not in self._floors:
            self._floors[n] = Floor(n, self.score(_evenly_spaced(real, n).split(FEATURE_BATCH)))
        return self._floors[n]

    def score(self, batches: Iterable[Tensor]) -> dict[str, float]:
        """Score batches of generated images ``(N, C, H, W)``: floats in [-1, 1], or uint8 in [0, 255].

        Returns:
            ``fid``, ``kid``, ``precision``, ``recall`` and ``coverage``; with a classifier, also ``modes``
            and ``class_kl``. See :mod:`gan_core.metrics`.

        Raises:
            ValueError: ``batches`` is empty.
        """
        return self._score(*self._features(batches))

    def final_score(self, batches: Iterable[Tensor]) -> dict[str, float]:
        """Return :meth:`score`, and ``memorisation`` and ``copies``, which look at all training images."""
        features, logits = self._features(batches)
        distances = nearest_distances(features, self._train), self._held_out_distances
        copied = {"memorisation": memorisation(*distances), "copies": copies(*distances)}
        return self._score(features, logits) | copied

    def _score(self, features: Tensor, logits: Tensor | None) -> dict[str, float]:
        scores = {
            "fid": frechet_distance(self._gaussian, Gaussian.fit(features)),
            "kid": kernel_distance(MeanEmbedding.fit(features), self._embedding),
            **precision_recall_coverage(Manifold.fit(features), self._manifold),
        }
        classes = {} if logits is None else {"modes": modes(logits), "class_kl": class_kl(logits)}
        return scores | classes

    @cached_property
    def _train(self) -> Tensor:
        features, _ = self._features(self._data.train.split(FEATURE_BATCH))
        return features

    @cached_property
    def _held_out_distances(self) -> Tensor:
        return nearest_distances(self._held_out, self._train)

    def _features(self, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor | None]:
        with torch.inference_mode():
            found = [self._network(_as_floats(batch.to(self._device))) for batch in batches]
            if not found:
                raise ValueError("there are no images to score")
            features, logits = zip(*found, strict=True)
            return torch.cat(features), None if logits[0] is None else torch.cat(logits)


def _as_floats(images: Tensor) -> Tensor:
    """Return images in [-1, 1]; uint8 images cross to a GPU in a quarter of the bytes."""
    return normalize(images) if images.dtype == torch.uint8 else images


def _evenly_spaced(images: Tensor, limit: int) -> Tensor:
    """Return ``limit`` evenly spaced images, or all of them if there are fewer."""
    return images[torch.linspace(0, len(images) - 1, limit).long()] if len(images) > limit else images
