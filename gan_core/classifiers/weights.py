"""The weights of a dataset's classifier: packaged for digits, else trained on first use and then cached."""

import os
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from gan_core.cache import cache_folder, locked_cache
from gan_core.classifiers.training import OnProgress, recipe_of, train_classifier
from gan_core.datasets import ImageDataset
from gan_core.errors import CorruptedAssetError

ASSET = files("gan_core") / "assets" / "mnist_5k_classifier.safetensors"
ASSET_SHA256 = "280d46ade7a1171059de8f98b3299bfeb7253912b59a88af67af2bb28c5cc3f9"
DIGITS = ("mnist", "mnist-5k")
DIGITS_SHAPE = (1, 28, 28)


def classifier_bytes(data: ImageDataset, on_progress: OnProgress | None = None) -> bytes:
    """Return the weights of the classifier of ``data`` as safetensors, training it on first use.

    Args:
        data: The dataset.
        on_progress: Called every 50 steps of the training.

    Raises:
        ExtractorUnavailableError: The dataset has fewer than two classes.
        CorruptedAssetError: A file of weights is corrupted.
        CacheError: The classifier is not cached yet, and the cache directory cannot be written.
    """
    is_digits = data.name in DIGITS and data.image_shape == DIGITS_SHAPE
    return _packaged_classifier() if is_digits else _cached_classifier(data, on_progress)


def load_classifier(content: bytes, data: ImageDataset) -> nn.Module:
    """Return the classifier of ``data`` with the weights that :func:`classifier_bytes` returned."""
    weights = load(content)
    classifier = recipe_of(data.image_shape).network(data.image_shape, len(weights["head.bias"]))
    classifier.load_state_dict(weights)
    return classifier.to(memory_format=torch.channels_last).eval()


def _packaged_classifier() -> bytes:
    content = ASSET.read_bytes()
    digest = sha256(content).hexdigest()
    if digest != ASSET_SHA256:
        raise CorruptedAssetError(
            f"{ASSET} is corrupted: its SHA-256 is {digest}, not {ASSET_SHA256}; reinstall the package"
        )
    return content


def _cached_classifier(data: ImageDataset, on_progress: OnProgress | None) -> bytes:
    """Return the cached weights of the classifier of ``data``, training it if the cache has none."""
    labels = data.learnable_labels()
    identity = sha256(f"{recipe_of(data.image_shape).identity} {data.image_shape}".encode())
    for tensor in (data.train, labels):
        identity.update(tensor.cpu().contiguous().numpy().data)
    file = cache_folder() / "classifiers" / f"{identity.hexdigest()}.safetensors"
    if not os.access(file, os.R_OK):
        with locked_cache():
            _train_into_cache(file, data, on_progress)
    content = file.read_bytes()
    try:
        load(content)
    except SafetensorError as error:
        raise CorruptedAssetError(
            f"the classifier of {data.name} is corrupted ({error}): delete {file}"
        ) from None
    return content


def _train_into_cache(file: Path, data: ImageDataset, on_progress: OnProgress | None) -> None:
    """Train the classifier of ``data`` and save it to ``file``, unless another process already has."""
    if file.exists():
        return
    file.parent.mkdir(exist_ok=True)
    draft = file.with_suffix(".draft")
    classifier = train_classifier(data.to("cpu"), on_progress=on_progress)
    weights = classifier.state_dict()
    draft.write_bytes(save({name: value.contiguous() for name, value in weights.items()}))
    draft.replace(file)
