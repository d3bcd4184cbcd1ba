"""Images in memory, split into a training and a held-out part."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from gan_core.errors import DatasetError, ExtractorUnavailableError
from gan_core.memory import gpu_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gan_core.datasets._batches import Batches

MIN_IMAGES = 6
"""The least number of images of a part: the metrics compare an image with its 5 nearest neighbours."""


@dataclass(frozen=True)
class ImageDataset:
    """Images to train on, and held-out images to evaluate with.

    Args:
        name: The name in messages. Use ``mnist`` and ``mnist-5k`` only for digits: the packaged classifier
            of digits scores 28x28 images of these names.
        train: Training images: uint8 in [0, 255], shape ``(N, C, H, W)``, N at least 6, C being 1 or 3, H
            and W multiples of 4.
        held_out: Held-out images of the same size: uint8, shape ``(M, C, H, W)``, M at least 6.
        train_labels: The classes of ``train``: int64, 0 to K - 1, shape ``(N,)``; None without classes.
        held_out_labels: The classes of ``held_out``: int64, 0 to K - 1, shape ``(M,)``, or None.
        split: The rule that chose the held-out images; ``given`` if the dataset comes with them.
        remarks: What the loader wants users to know of the images: which are left out, for example.

    Raises:
        DatasetError: A tensor has the wrong type or shape.
    """

    name: str
    train: "Tensor"
    held_out: "Tensor"
    train_labels: "Tensor | None" = field(default=None, kw_only=True)
    held_out_labels: "Tensor | None" = field(default=None, kw_only=True)
    split: str = field(default="given", kw_only=True)
    remarks: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        for part, images, labels in (
            ("train", self.train, self.train_labels),
            ("held_out", self.held_out, self.held_out_labels),
        ):
            error = _images_error(images) or _labels_error(labels, len(images))
            if error:
                raise DatasetError(f"{self.name}: {part}{error}")
        if self.train.shape[1:] != self.held_out.shape[1:]:
            shapes = [tuple(images.shape[1:]) for images in (self.train, self.held_out)]
            raise DatasetError(
                f"{self.name}: train and held_out must have one image shape, got {shapes[0]} and {shapes[1]}"
            )
        if (self.train_labels is None) != (self.held_out_labels is None):
            raise DatasetError(f"{self.name}: train and held_out must both have labels, or neither")

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all images and their classes, as hexadecimal digits; computed on first use.

        Scores of datasets with different digests are not comparable.
        """
        found = sha256()
        for tensor in (self.train, self.held_out, self.train_labels, self.held_out_labels):
            if tensor is None:
                found.update(b"no classes")
            else:
                found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                found.update(tensor.cpu().contiguous().numpy().data)
        return found.hexdigest()

    @cached_property
    def train_digest(self) -> str:
        """The SHA-256 of the training images, as hexadecimal digits; computed on first use."""
        return sha256(self.train.cpu().contiguous().numpy().data).hexdigest()

    @property
    def identity(self) -> dict[str, str | int]:
        """The :attr:`digest` as ``sha256``, how many images each part has, and the :attr:`split`."""
        return {
            "sha256": self.digest,
            "train": len(self.train),
            "held_out": len(self.held_out),
            "split": self.split,
        }

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def batches(self, batch_size: int, seed: int, device: "torch.device | str | None" = None) -> "Batches":
        """Return endless batches of training images, each ``(images, labels)``, from shuffled epochs.

        Images are float32 in [-1, 1], shape ``(batch_size, C, H, W)``; labels are int64 ``(batch_size,)``, or
        None without classes. To resume exactly, save the ``state_dict()`` of the batches and load it with
        ``load_state_dict()``, after the networks are built.

        Args:
            batch_size: The number of images of each batch.
            seed: The seed of the order.
            device: The device of the batches; by default, that of the dataset.
        """
        from gan_core.datasets._batches import Batches

        return Batches(self.train, self.train_labels, batch_size, seed, device)

    def learnable_labels(self) -> "Tensor":
        """Return ``train_labels``, after a check that a classifier can learn them.

        Raises:
            ExtractorUnavailableError: There are fewer than two classes.
        """
        labels = self.train_labels
        if labels is None or not 0 <= labels.min() < labels.max():
            raise ExtractorUnavailableError(
                f"{self.name} has no classes to train a classifier on{self._remarked()}: put the images of"
                " each class into a folder of its own (for a dataset in Python: labels 0 to K - 1), or use"
                " extractor: inception"
            )
        return labels

    def _remarked(self) -> str:
        return f" ({'; '.join(self.remarks)})" if self.remarks else ""

    def to(self, device: "torch.device | str") -> "ImageDataset":
        """Return the dataset with its tensors on ``device``."""
        train_labels, held_out_labels = (
            None if labels is None else labels.to(device)
            for labels in (self.train_labels, self.held_out_labels)
        )
        moved = replace(
            self,
            train=self.train.to(device),
            held_out=self.held_out.to(device),
            train_labels=train_labels,
            held_out_labels=held_out_labels,
        )
        for name in {"digest", "train_digest"} & vars(self).keys():
            vars(moved)[name] = vars(self)[name]
        return moved

    def to_if_it_fits(self, device: "torch.device | str") -> "ImageDataset":
        """Return the dataset on ``device`` if it needs at most half of this process's memory there.

        Else return it unchanged; training then moves each batch to the device. See
        :func:`gan_core.memory.gpu_memory`.
        """
        n_bytes = self.train.nbytes + self.held_out.nbytes
        return self.to(device) if n_bytes <= gpu_memory(device) / 2 else self


def _images_error(images: object) -> str | None:
    """Return what is wrong with images, to follow their name in a message; None if they are valid."""
    import torch

    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8:
        found = images.dtype if isinstance(images, torch.Tensor) else type(images).__name__
        return f" must be a uint8 tensor, got {found}"
    if images.dim() != 4 or images.shape[1] not in {1, 3}:
        return f" must have shape (N, 1 or 3, H, W), got {tuple(images.shape)}"
    if len(images) < MIN_IMAGES:
        return f" must have at least {MIN_IMAGES} images, got {len(images)}"
    height, width = images.shape[2:]
    if min(height, width) < 4 or height % 4 or width % 4:
        return f": height and width must be multiples of 4, got {height} and {width}"
    return None


def _labels_error(labels: object, n_images: int) -> str | None:
    import torch

    if labels is None:
        return None
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64:
        found = labels.dtype if isinstance(labels, torch.Tensor) else type(labels).__name__
        return f"_labels must be None or an int64 tensor, got {found}"
    if labels.shape != (n_images,):
        return f"_labels must have shape ({n_images},), one label per image, got {tuple(labels.shape)}"
    return None
