"""Images to learn from, whole in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gan_core.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ImageDataset", "datasets", "load_dataset"]


@dataclass(frozen=True)
class ImageDataset:
    """Labelled images, split into those that train and those held out to measure with.

    Args:
        name: The name it is registered under.
        train: Images to train on: uint8 in [0, 255], shape ``(N, C, H, W)``.
        train_labels: Their classes: int64, shape ``(N,)``.
        held_out: Images that no training sees: uint8, shape ``(M, C, H, W)``.
        held_out_labels: Their classes: int64, shape ``(M,)``.
    """

    name: str
    train: "Tensor"
    train_labels: "Tensor"
    held_out: "Tensor"
    held_out_labels: "Tensor"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def to(self, device: "torch.device | str") -> "ImageDataset":
        """Return the dataset with its tensors on ``device``."""
        return ImageDataset(
            self.name,
            self.train.to(device),
            self.train_labels.to(device),
            self.held_out.to(device),
            self.held_out_labels.to(device),
        )


datasets: Registry[Callable[[], ImageDataset]] = Registry("dataset", __name__)


def load_dataset(name: str) -> ImageDataset:
    """Load a dataset by its registered name.

    Raises:
        UnknownNameError: No dataset has this name.
    """
    return datasets.get(name)()
