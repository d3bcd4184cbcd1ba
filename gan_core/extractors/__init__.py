"""Feature extractors: networks that map images to the features in which scores compare them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from gan_core.components import EXTRACTORS
from gan_core.datasets import ImageDataset
from gan_core.errors import ContractError, GanCoreError, in_one_line
from gan_core.imports import is_import_path
from gan_core.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from gan_core.classifiers.training import OnProgress

__all__ = ["Extractor", "LoadedExtractor", "extractors", "load_extractor", "train_extractor"]

CHECKED_IMAGES = 8
TOLERANCE = 1e-3
"""How much the features of an image may differ, relative to the largest one, with the rest of its batch."""


class Extractor(ABC):
    """Loads the network that maps images to features.

    Args:
        data: The dataset; its training images and labels may be used, its held-out images not.
    """

    def __init__(self, data: ImageDataset) -> None:
        self.data = data

    def train(self, on_progress: "OnProgress | None" = None) -> bytes | None:
        """Return the weights of a network that is trained on the dataset, training it on first use.

        A sweep calls this method once, and passes the weights to every node. The default is None, for a
        network with weights that do not depend on the dataset.
        """
        del on_progress
        return None

    @abstractmethod
    def network(self, weights: bytes | None) -> "nn.Module":
        """Return the network, with pretrained weights.

        The network maps images ``(N, C, H, W)`` in [-1, 1] to features: float, shape ``(N, d)``. It may also
        return a pair: the features, and the logits ``(N, K)`` of the K classes of the dataset. The features
        of an image must not depend on the other images of the batch. The network is used in evaluation mode.

        Args:
            weights: What :meth:`train` returned, on this node or on another one.
        """


extractors: Registry[type[Extractor]] = EXTRACTORS


@dataclass(frozen=True)
class LoadedExtractor:
    """A network that maps images to features.

    Args:
        sha256: The SHA-256 of the weights; scores are comparable only if it is equal.
        network: Maps images ``(N, C, H, W)`` in [-1, 1] to features ``(N, d)`` and class logits ``(N, K)``,
            or None in place of the logits if the network does not know the dataset's classes.
    """

    sha256: str
    network: "Callable[[Tensor], tuple[Tensor, Tensor | None]]"


def train_extractor(name: str, data: ImageDataset, on_progress: "OnProgress | None" = None) -> bytes | None:
    """Return the weights of an extractor that is trained on ``data``, training it on first use.

    Args:
        name: A registered name, or the import path of an :class:`Extractor`.
        data: The dataset.
        on_progress: Called during the training.

    Returns:
        The weights, for :func:`load_extractor`; None if the extractor does not depend on the dataset.

    Raises:
        UnknownNameError: No extractor has this name.
        ImportPathError: The import path does not lead to an extractor.
        ExtractorUnavailableError: The dataset has fewer than two classes.
        CorruptedAssetError: A file of weights is corrupted.
        CacheError: The weights are not cached yet, and the cache directory cannot be written.
        ContractError: The user's own extractor raised an exception.
    """
    extractor = extractors.get(name)
    try:
        return extractor(data).train(on_progress)
    except Exception as error:
        raise _as_gan_core_error(name, error) from error


def load_extractor(
    name: str, data: ImageDataset, device: "torch.device | str" = "cpu", weights: bytes | None = None
) -> LoadedExtractor:
    """Load the feature extractor for the images of ``data``.

    Args:
        name: ``classifier``: for MNIST, the classifier of digits that ships with the package; for any other
            dataset with classes, a classifier that is trained on first use and then cached. ``inception``:
            Inception v3, 2,048 features, through torchmetrics. Or the import path of an :class:`Extractor`.
        data: The dataset.
        device: The device to compute features on.
        weights: The weights, if :func:`train_extractor` has already returned them.

    Raises:
        UnknownNameError: No extractor has this name.
        ImportPathError: The import path does not lead to an extractor.
        ExtractorUnavailableError: The dataset has fewer than two classes, or Inception's weights are missing.
        CorruptedAssetError: A file of weights is corrupted.
        CacheError: The classifier is not cached yet, and the cache directory cannot be written.
        ContractError: The user's own extractor breaks the contract of :meth:`Extractor.network`.
    """
    extractor = extractors.get(name)
    try:
        instance = extractor(data)
        network = instance.network(instance.train() if weights is None else weights)
        network = network.to(device).eval().requires_grad_(requires_grad=False)
        digest = _digest(name, network)
    except Exception as error:
        raise _as_gan_core_error(name, error) from error
    loaded = LoadedExtractor(digest, lambda images: _as_pair(network(images)))
    if is_import_path(name):
        _check(name, loaded, data, device)
    return loaded


def _as_gan_core_error(name: str, error: Exception) -> Exception:
    """Return the exception of a registered extractor as it is, and of a user's own one with its name."""
    if isinstance(error, GanCoreError) or not is_import_path(name):
        return error
    return ContractError(f"extractor {name}: loading it raised {in_one_line(error)}")


def _digest(name: str, network: "nn.Module") -> str:
    """Return the SHA-256 of the weights and, of a user's own extractor, of its import path.

    The import path distinguishes networks without weights, for example two with different fixed filters.
    """
    import torch
    from safetensors.torch import save

    state = network.state_dict()
    weights = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    content = save({key: value.detach().cpu().contiguous().clone() for key, value in weights.items()})
    path = name.encode() if is_import_path(name) else b""
    return sha256(path + content).hexdigest()


def _as_pair(output: object) -> "tuple[Tensor, Tensor | None]":
    features, logits = output if isinstance(output, tuple) else (output, None)
    return features, logits


def _check(name: str, loaded: LoadedExtractor, data: ImageDataset, device: "torch.device | str") -> None:
    """Check a user's own extractor on training images.

    Raises:
        ContractError: The network raises an exception, or its features break the contract.
    """
    import torch

    from gan_core.images import normalize

    images = normalize(data.train[:CHECKED_IMAGES].to(device))
    try:
        with torch.inference_mode():
            (features, _), (first, _) = loaded.network(images), loaded.network(images[:1])
    except Exception as error:
        shape = tuple(images.shape)
        raise ContractError(
            f"extractor {name}: the network raised {in_one_line(error)} for images of shape {shape}"
        ) from error
    if fault := _fault(features, first, len(images)):
        raise ContractError(f"extractor {name}: the network must return features (N, d), float: {fault}")


def _fault(features: object, first: object, n_images: int) -> str | None:
    """Return what is wrong with the features of a batch, and of its first image alone; None if nothing is."""
    import torch

    if not isinstance(features, torch.Tensor) or not isinstance(first, torch.Tensor):
        return f"got {type(features).__name__}"
    if features.dim() != 2 or len(features) != n_images or not features.is_floating_point():
        return f"got {features.dtype} of shape {tuple(features.shape)} for {n_images} images"
    if not features.isfinite().all():
        return "got values that are not finite"
    if (features[:1] - first).abs().max() > TOLERANCE * features.abs().max():
        return "the features of an image depend on the other images of the batch"
    return None
