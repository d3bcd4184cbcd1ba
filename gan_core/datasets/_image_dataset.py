"""Images in memory, split into a training and a held-out part."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gan_core.errors import DatasetError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MIN_IMAGES = 2


@dataclass(frozen=True)
class ImageDataset:
    """Images, split into those that train and those held out to measure with.

    Args:
        name: What messages call it. ``mnist`` and ``mnist-5k`` are for the digits alone: 28x28 images of
            these names are scored by the classifier of digits that ships with the package.
        train: Images to train on: uint8 in [0, 255], shape ``(N, C, H, W)``, N at least 2, C being 1 or 3,
            H and W multiples of 4.
        held_out: At least 2 images of the same shape that no training sees: uint8, ``(M, C, H, W)``.
        train_labels: The classes of ``train``: int64, 0 to K - 1, shape ``(N,)``; None where images
            have no classes.
        held_out_labels: The classes of ``held_out``: int64, 0 to K - 1, shape ``(M,)``, or None.

    Raises:
        DatasetError: The tensors are not of these types and shapes.
    """

    name: str
    train: "Tensor"
    held_out: "Tensor"
    train_labels: "Tensor | None" = field(default=None, kw_only=True)
    held_out_labels: "Tensor | None" = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for part, images, labels in (
            ("train", self.train, self.train_labels),
            ("held_out", self.held_out, self.held_out_labels),
        ):
            misfit = _images_error(images) or _labels_error(labels, len(images))
            if misfit:
                raise DatasetError(f"{self.name}: {part}{misfit}")
        if self.train.shape[1:] != self.held_out.shape[1:]:
            shapes = [tuple(images.shape[1:]) for images in (self.train, self.held_out)]
            raise DatasetError(f"{self.name}: train has images of {shapes[0]}, held_out of {shapes[1]}")
        if (self.train_labels is None) != (self.held_out_labels is None):
            raise DatasetError(f"{self.name}: train and held_out must both have labels, or neither")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def to(self, device: "torch.device | str") -> "ImageDataset":
        """Return the dataset with its tensors on ``device``."""
        train_labels, held_out_labels = (
            None if labels is None else labels.to(device)
            for labels in (self.train_labels, self.held_out_labels)
        )
        return ImageDataset(
            self.name,
            self.train.to(device),
            self.held_out.to(device),
            train_labels=train_labels,
            held_out_labels=held_out_labels,
        )

    def to_if_it_fits(self, device: "torch.device | str") -> "ImageDataset":
        """Return the dataset on ``device`` where its images take at most half of what is free there.

        Where they take more it stays where it is, and each batch is moved by itself.
        """
        n_bytes = self.train.nbytes + self.held_out.nbytes
        return self.to(device) if n_bytes <= free_bytes(device) / 2 else self


def free_bytes(device: "torch.device | str") -> float:
    """Return how much memory is free on a GPU; on another device, where the data already is, no limit."""
    import torch

    if torch.device(device).type != "cuda":
        return float("inf")
    return float(torch.cuda.mem_get_info(device)[0])


def _images_error(images: object) -> str | None:
    """Return what is wrong with a part's images, as the end of a sentence that starts with their name."""
    import torch

    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8:
        found = images.dtype if isinstance(images, torch.Tensor) else type(images).__name__
        return f" must be a tensor of uint8, it is {found}"
    if images.dim() != 4 or images.shape[1] not in {1, 3}:
        return f" must have the shape (N, 1 or 3, H, W), it has {tuple(images.shape)}"
    if len(images) < MIN_IMAGES:
        return f" must hold at least {MIN_IMAGES} images, it holds {len(images)}"
    height, width = images.shape[2:]
    if min(height, width) < 4 or height % 4 or width % 4:
        return f": height and width must be multiples of 4, they are {height} and {width}"
    return None


def _labels_error(labels: object, n_images: int) -> str | None:
    import torch

    if labels is None:
        return None
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64:
        found = labels.dtype if isinstance(labels, torch.Tensor) else type(labels).__name__
        return f"_labels must be None or a tensor of int64, it is {found}"
    if labels.shape != (n_images,):
        return f"_labels must have the shape ({n_images},), as many as images, it has {tuple(labels.shape)}"
    return None
