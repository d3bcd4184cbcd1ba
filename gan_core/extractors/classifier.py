"""The extractor ``classifier``: a small classifier of the same images."""

from torch import nn

from gan_core.classifiers import OnProgress, classifier_bytes, load_classifier
from gan_core.extractors import Extractor, extractors


@extractors.register("classifier")
class ClassifierExtractor(Extractor):
    """The last hidden layer of a classifier of the dataset's images.

    MNIST has the classifier of digits that ships with the package. For any other dataset with classes, a
    classifier is trained on first use and then cached (:func:`gan_core.classifiers.classifier_bytes`).
    """

    def train(self, on_progress: OnProgress | None = None) -> bytes:
        """Return the classifier's weights as safetensors."""
        return classifier_bytes(self.data, on_progress)

    def network(self, weights: bytes | None) -> nn.Module:
        """Return the classifier: features ``(N, d)`` and class logits ``(N, K)``."""
        return load_classifier(classifier_bytes(self.data) if weights is None else weights, self.data)
