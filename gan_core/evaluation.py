"""Score generated images against the held-out images of a dataset."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from gan_core.datasets import ImageDataset
from gan_core.features import ExtractorName, load_extractor
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


class Evaluator:
    """Score generated images against the held-out images of a dataset, in the features of an extractor.

    Compare scores only with scores of the same extractor; ``classifier`` scores are not comparable with
    published ones. ``fid`` is biased by the number of images: compare scores of equal numbers only.

    Args:
        data: The dataset; its held-out images are the reference.
        device: The device to compute features on.
        extractor: ``classifier`` or ``inception``; see :func:`gan_core.features.load_extractor`.
        classifier: The classifier's weights from :func:`gan_core.features.classifier_bytes`, if at hand.

    Attributes:
        extractor: The SHA-256 of the extractor's weights: ``sha256:280d46...``.

    Raises:
        UnknownNameError: No extractor has this name.
        ExtractorUnavailableError: The extractor is not available for these images.
        CacheError: The classifier is not cached yet, and the cache directory cannot be written.
    """

    def __init__(
        self,
        data: ImageDataset,
        device: torch.device | str = "cpu",
        extractor: ExtractorName = "classifier",
        classifier: bytes | None = None,
    ) -> None:
        self._device = torch.device(device)
        self._data = data
        loaded = load_extractor(extractor, data, device, classifier)
        self._network = loaded.network
        self.extractor = f"sha256:{loaded.sha256}"
        self._held_out, _ = self._features(_in_batches(data.held_out))
        self._gaussian = Gaussian.fit(self._held_out)
        self._embedding = MeanEmbedding.fit(self._held_out)
        self._manifold = Manifold.fit(self._held_out)

    @cached_property
    def floors(self) -> dict[str, float]:
        """The scores of up to 10,000 real training images, computed on first use.

        A perfect generator would get these scores with as many samples.
        """
        return self.score(_in_batches(_evenly_spaced(self._data.train, MAX_FLOOR_IMAGES)))

    def score(self, batches: Iterable[Tensor]) -> dict[str, float]:
        """Score batches of generated images ``(N, C, H, W)`` in [-1, 1].

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
            "fid": frechet_distance(Gaussian.fit(features), self._gaussian),
            "kid": kernel_distance(MeanEmbedding.fit(features), self._embedding),
            **precision_recall_coverage(Manifold.fit(features), self._manifold),
        }
        classes = {} if logits is None else {"modes": modes(logits), "class_kl": class_kl(logits)}
        return scores | classes

    @cached_property
    def _train(self) -> Tensor:
        features, _ = self._features(_in_batches(self._data.train))
        return features

    @cached_property
    def _held_out_distances(self) -> Tensor:
        return nearest_distances(self._held_out, self._train)

    def _features(self, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor | None]:
        with torch.inference_mode():
            found = [self._network(batch.to(self._device)) for batch in batches]
            if not found:
                raise ValueError("there are no images to score")
            features, logits = zip(*found, strict=True)
            return torch.cat(features), None if logits[0] is None else torch.cat(logits)


def _in_batches(images: Tensor) -> Iterator[Tensor]:
    """Yield batches of uint8 images, normalized to [-1, 1]."""
    return (normalize(batch) for batch in images.split(FEATURE_BATCH))


def _evenly_spaced(images: Tensor, limit: int) -> Tensor:
    """Return ``limit`` evenly spaced images, or all of them if there are fewer."""
    return images[torch.linspace(0, len(images) - 1, limit).long()] if len(images) > limit else images
