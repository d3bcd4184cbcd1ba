"""The space that sample quality is measured in: the features of a small digit classifier.

``python -m gan_core.features`` trains the classifier again, by the procedure and seed that made the file
which ships with the package, and writes it.
"""

import hashlib
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from gan_core.datasets import ImageDataset, load_dataset
from gan_core.errors import CorruptedAssetError
from gan_core.images import to_unit_range

ASSET = files("gan_core") / "assets" / "mnist_5k_classifier.safetensors"
ASSET_SHA256 = "280d46ade7a1171059de8f98b3299bfeb7253912b59a88af67af2bb28c5cc3f9"
FEATURE_DIM = 64


class DigitClassifier(nn.Module):
    """A convolutional classifier of 28x28 grey digits whose last hidden layer is the feature space.

    Three 3x3 convolutions of stride 2 (32, 64 and 64 channels), a hidden layer of 64 and 10 logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, FEATURE_DIM),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURE_DIM, 10)

    def features(self, images: Tensor) -> Tensor:
        """Return the features ``(N, 64)``, at least 0, of images ``(N, 1, 28, 28)`` in [-1, 1]."""
        hidden: Tensor = self.body(images)
        return hidden

    def forward(self, images: Tensor) -> Tensor:
        """Return the class logits ``(N, 10)`` of images ``(N, 1, 28, 28)`` in [-1, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits


def load_digit_classifier() -> DigitClassifier:
    """Load the classifier that ships with the package, in eval mode.

    Raises:
        CorruptedAssetError: The file is not the one that was released.
    """
    content = ASSET.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != ASSET_SHA256:
        raise CorruptedAssetError(
            f"{ASSET}: its SHA-256 is {digest}, not {ASSET_SHA256}; install the package again"
        )
    classifier = DigitClassifier()
    classifier.load_state_dict(load(content))
    return classifier.eval()


def train_digit_classifier(data: ImageDataset, *, epochs: int = 30, seed: int = 0) -> DigitClassifier:
    """Train a classifier on the training images of ``data``, the same one for the same seed on one CPU.

    AdamW under a one-cycle learning rate, 64 images a step, each turned, scaled and shifted a little at
    random, so that 4,000 digits are enough.
    """
    batch_size = 64
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = DigitClassifier()
        images = to_unit_range(data.train)
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=1e-2)
        total_steps = epochs * (len(images) // batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=total_steps)
        for batch in _epochs(len(images), batch_size, epochs):
            loss = cross_entropy(classifier(_jitter(images[batch])), data.train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


def accuracy(classifier: DigitClassifier, images: Tensor, labels: Tensor) -> float:
    """Return the share of uint8 images that are given their label, in [0, 1]."""
    with torch.inference_mode():
        return float((classifier(to_unit_range(images)).argmax(1) == labels).float().mean())


def _epochs(n_images: int, batch_size: int, epochs: int) -> Iterator[Tensor]:
    """Yield the index batches of each epoch, shuffled, without the incomplete last one."""
    for _ in range(epochs):
        order = torch.randperm(n_images)
        yield from order[: n_images - n_images % batch_size].split(batch_size)


def _jitter(images: Tensor) -> Tensor:
    """Turn by up to 10 degrees, scale by up to 10 % and shift by up to 2 pixels, each image at random."""
    n, device = len(images), images.device
    angle = (torch.rand(n, device=device) - 0.5) * 0.35
    scale = 1 + (torch.rand(n, device=device) - 0.5) * 0.2
    shift = (torch.rand(n, 2, device=device) - 0.5) * (8 / images.shape[-1])
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(n, 2, 2)
    theta = torch.cat([rotation * scale.view(n, 1, 1), shift.unsqueeze(2)], dim=2)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def main() -> None:
    """Train the packaged classifier again, write it and print its accuracy and SHA-256."""
    torch.set_num_threads(1)
    data = load_dataset("mnist-5k")
    classifier = train_digit_classifier(data)
    content = save(classifier.state_dict())
    with as_file(ASSET) as path:
        Path(path).write_bytes(content)
    held_out_accuracy = accuracy(classifier, data.held_out, data.held_out_labels)
    print(f"{held_out_accuracy:.3f} of the held-out digits right")  # noqa: T201
    print(f"SHA-256 {hashlib.sha256(content).hexdigest()}  {ASSET}")  # noqa: T201


if __name__ == "__main__":
    main()
