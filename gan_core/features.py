"""Feature extractors for the metrics: a small classifier of the same images, or Inception v3.

``python -m gan_core.features`` retrains the packaged classifier of digits and overwrites its file.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from gan_core.architectures import ImageShape
from gan_core.cache import cache_folder, locked_cache
from gan_core.datasets import ImageDataset, load_dataset
from gan_core.errors import CorruptedAssetError, ExtractorUnavailableError, UnknownNameError
from gan_core.images import normalize, to_uint8

ASSET = files("gan_core") / "assets" / "mnist_5k_classifier.safetensors"
ASSET_SHA256 = "280d46ade7a1171059de8f98b3299bfeb7253912b59a88af67af2bb28c5cc3f9"
DIGITS = ("mnist", "mnist-5k")
DIGITS_SHAPE = (1, 28, 28)
FEATURE_DIM = 64

PROCEDURE_VERSION = 1
"""Increment this when :func:`train_classifier` changes, so that cached classifiers are trained again."""

WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
BATCH_SIZE = 64
MAX_EPOCHS = 30
MAX_STEPS = 6000

PROGRESS_EVERY = 50
OnProgress = Callable[[int, int, float], None]
"""Called with the steps taken, the number of all steps, and the accuracy on the last batch, in [0, 1]."""

ExtractorName = Literal["classifier", "inception"]
EXTRACTORS = get_args(ExtractorName)


@dataclass(frozen=True)
class Extractor:
    """A network that maps images to features.

    Args:
        sha256: The SHA-256 of the weights; scores are comparable only if it is equal.
        network: Maps images ``(N, C, H, W)`` in [-1, 1] to features ``(N, F)`` and class logits ``(N, K)``,
            or None in place of the logits if the network does not know the dataset's classes.
    """

    sha256: str
    network: Callable[[Tensor], tuple[Tensor, Tensor | None]]


class Classifier(nn.Module):
    """A convolutional classifier whose last hidden layer is the feature space.

    Three 3x3 convolutions of stride 2 (32, 64 and 64 channels), a hidden layer of 64, and the logits.

    Args:
        image_shape: Channels, height and width.
        n_classes: The number of logits.
    """

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * -(-height // 8) * -(-width // 8), FEATURE_DIM),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURE_DIM, n_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the non-negative features ``(N, 64)`` and the class logits of images in [-1, 1]."""
        features: Tensor = self.body(images)
        return features, self.head(features)


def load_extractor(
    name: ExtractorName,
    data: ImageDataset,
    device: torch.device | str = "cpu",
    content: bytes | None = None,
) -> Extractor:
    """Load the feature extractor for the images of ``data``.

    Args:
        name: ``classifier``: for MNIST, the classifier of digits that ships with the package; for any other
            dataset with classes, a classifier that is trained on first use and then cached. ``inception``:
            Inception v3, 2,048 features, through torchmetrics.
        data: The dataset.
        device: The device to compute features on.
        content: The classifier's weights, if :func:`classifier_bytes` has already returned them.

    Raises:
        UnknownNameError: No extractor has this name.
        ExtractorUnavailableError: The dataset has fewer than two classes, or Inception's weights are missing.
        CorruptedAssetError: A file of weights is corrupted.
        CacheError: The classifier is not cached yet, and the cache directory cannot be written.
    """
    if name not in EXTRACTORS:
        raise UnknownNameError("extractor", name, EXTRACTORS)
    if name == "inception":
        return _inception(torch.device(device))
    content = content or classifier_bytes(data)
    classifier = _classifier(content, data).to(device).to(memory_format=torch.channels_last)
    return Extractor(sha256(content).hexdigest(), classifier)


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
    identity = sha256(f"procedure {PROCEDURE_VERSION} {data.image_shape}".encode())
    for tensor in (data.train, labels):
        identity.update(tensor.cpu().numpy().tobytes())
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
    draft.write_bytes(save(classifier.state_dict()))
    draft.replace(file)


def _classifier(content: bytes, data: ImageDataset) -> Classifier:
    weights = load(content)
    classifier = Classifier(data.image_shape, len(weights["head.bias"]))
    classifier.load_state_dict(weights)
    return classifier.eval()


def _inception(device: torch.device) -> Extractor:
    """Load the Inception v3 of published scores (Szegedy et al., 2016, arXiv:1512.00567).

    torch-fidelity unpickles the weights, which could run code: ``_weights_only`` makes torch refuse that.
    """
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        with redirect_stdout(StringIO()), _weights_only():
            network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"]).to(device)
    except ModuleNotFoundError:
        raise ExtractorUnavailableError(
            "extractor inception: run pip install torch-fidelity, or use extractor: classifier"
        ) from None
    except (OSError, RuntimeError, UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise ExtractorUnavailableError(
            f"extractor inception: its weights are not in {folder} and cannot be downloaded"
            f" ({str(error).splitlines()[0]}); copy them there, or use extractor: classifier"
        ) from None

    def features(images: Tensor) -> tuple[Tensor, None]:
        return network(to_uint8(images).expand(-1, 3, -1, -1)), None

    return Extractor(sha256(save(network.state_dict())).hexdigest(), features)


@contextmanager
def _weights_only() -> Iterator[None]:
    before = os.environ.get(WEIGHTS_ONLY)
    os.environ[WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        del os.environ[WEIGHTS_ONLY]
        if before is not None:
            os.environ[WEIGHTS_ONLY] = before


def train_classifier(
    data: ImageDataset,
    *,
    seed: int = 0,
    max_steps: int = MAX_STEPS,
    on_progress: OnProgress | None = None,
) -> Classifier:
    """Train a classifier on the training images of ``data``; a seed gives the same classifier on one CPU.

    It trains with AdamW and a one-cycle learning rate for 30 epochs, or ``max_steps`` if that is fewer, on
    batches of up to 64 images. Random rotation, scaling and shifts make 4,000 digits enough. ``on_progress``
    is called every 50 steps, and after the last one.

    Raises:
        ValueError: The dataset has no labels.
    """
    if data.train_labels is None:
        raise ValueError(f"{data.name} has no classes")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        classifier = Classifier(data.image_shape, int(data.train_labels.max()) + 1)
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=1e-2)
        batch_size = min(BATCH_SIZE, len(data.train))
        total_steps = min(max_steps, MAX_EPOCHS * (len(data.train) // batch_size))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=total_steps)
        for step, batch in enumerate(_batches(len(data.train), batch_size, total_steps), 1):
            labels = data.train_labels[batch]
            _, logits = classifier(_augment(normalize(data.train[batch])))
            loss = cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if on_progress and (step % PROGRESS_EVERY == 0 or step == total_steps):
                on_progress(step, total_steps, float((logits.argmax(1) == labels).float().mean()))
    return classifier.eval()


def accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    """Return the share of uint8 images whose predicted class is their label, in [0, 1]."""
    with torch.inference_mode():
        _, logits = classifier(normalize(images))
        return float((logits.argmax(1) == labels).float().mean())


def _batches(n_images: int, batch_size: int, total_steps: int) -> Iterator[Tensor]:
    """Yield index batches of shuffled epochs, dropping each epoch's incomplete last batch."""
    epoch: list[Tensor] = []
    for _ in range(total_steps):
        if not epoch:
            order = torch.randperm(n_images)
            epoch = [*order[: n_images - n_images % batch_size].split(batch_size)]
        yield epoch.pop(0)


def _augment(images: Tensor) -> Tensor:
    """Randomly rotate by up to 10 degrees, scale by up to 10 % and shift by up to 2 pixels in 28."""
    n, device = len(images), images.device
    angle = (torch.rand(n, device=device) - 0.5) * 0.35
    scale = 1 + (torch.rand(n, device=device) - 0.5) * 0.2
    shift = (torch.rand(n, 2, device=device) - 0.5) * (8 / 28)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(n, 2, 2)
    theta = torch.cat([rotation * scale.view(n, 1, 1), shift.unsqueeze(2)], dim=2)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def main() -> None:
    """Retrain the packaged classifier, write it and print its accuracy and SHA-256."""
    torch.set_num_threads(1)
    data = load_dataset("mnist-5k")
    classifier = train_classifier(data)
    content = save(classifier.state_dict())
    with as_file(ASSET) as path:
        Path(path).write_bytes(content)
    if data.held_out_labels is None:
        raise ValueError(f"{data.name} has no classes")
    held_out_accuracy = accuracy(classifier, data.held_out, data.held_out_labels)
    print(f"{held_out_accuracy:.3f} of the held-out digits classified correctly")  # noqa: T201
    print(sha256(content).hexdigest())  # noqa: T201


if __name__ == "__main__":
    main()
