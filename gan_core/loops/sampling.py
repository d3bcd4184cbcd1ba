"""Draw images from a training loop that waits at its ``yield``."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gan_core.datasets import ImageDataset
from gan_core.errors import LoopError, TrainingDiverged
from gan_core.images import normalize, to_uint8
from gan_core.loops.crashes import drawn
from gan_core.loops.declaration import takes_labels
from gan_core.loops.snapshot import Snapshot
from gan_core.noise import rng_for
from gan_core.randomness import seeded

PIECE = 250
"""The largest number of images that a loop is asked for at once."""

GRID_IMAGES, GRID_COLUMNS = 64, 8
RANGE_TOLERANCE = 1e-3
SMALLEST_OF_UINT8 = 10.0
"""A float image with a larger pixel is probably in [0, 255]."""


class Sampler:
    """Draw images from snapshots, and check them.

    Args:
        name: The name of the loop, for messages.
        data: The dataset: the shape of the images, and the classes to ask for.
        device: The device of the classes.
    """

    def __init__(self, name: str, data: ImageDataset, device: torch.device) -> None:
        self._name = name
        self._data = data
        self._device = device

    def images(self, snapshot: Snapshot, n: int, purpose: str) -> Iterator[Tensor]:
        """Yield batches of ``n`` images in all, floats in [-1, 1], at most 250 at a time.

        The random numbers depend only on ``purpose``.

        Raises:
            LoopError: ``sample`` does not return images of the dataset's shape in [-1, 1].
            TrainingDiverged: An image is not finite.
        """
        rng, label_rng = rng_for(purpose), rng_for(f"labels/{purpose}")
        for start in range(0, n, PIECE):
            count = min(PIECE, n - start)
            labels = self._drawn_labels(count, label_rng) if takes_labels(snapshot.sample) else None
            yield self._sampled(snapshot, count, rng, labels, _number(f"{purpose}/{start}"))

    def grid(self, snapshot: Snapshot) -> Tensor:
        """Return the images of the sample grid, uint8 ``(64, C, H, W)`` on the CPU, one class per row."""
        if snapshot.grid is not None:
            with torch.inference_mode(mode=False), torch.no_grad(), seeded(_number("grid")):
                images = self._checked(snapshot.step, drawn("grid", snapshot.grid), GRID_IMAGES, "grid")
        else:
            labels = self._row_labels() if takes_labels(snapshot.sample) else None
            images = self._sampled(snapshot, GRID_IMAGES, rng_for("samples"), labels, _number("grid"))
        return to_uint8(images).cpu()

    def _sampled(
        self, snapshot: Snapshot, n: int, rng: torch.Generator, labels: Tensor | None, seed: int
    ) -> Tensor:
        arguments = (n, rng) if labels is None else (n, rng, labels.to(self._device))
        with torch.inference_mode(mode=False), torch.no_grad(), seeded(seed):
            return self._checked(snapshot.step, drawn("sample", snapshot.sample, *arguments), n, "sample")

    def _checked(self, step: int, images: object, n: int, function: str) -> Tensor:
        """Return images as floats in [-1, 1]."""
        shape = (n, *self._data.image_shape)
        if not isinstance(images, Tensor):
            raise LoopError(
                f"{self._name}: {function} must return a torch.Tensor of shape {shape}, got a"
                f" {type(images).__name__}"
            )
        if tuple(images.shape) != shape:
            raise LoopError(
                f"{self._name}: {function} must return images of shape {shape}, got {tuple(images.shape)}"
            )
        if images.dtype == torch.uint8:
            return normalize(images)
        if not images.is_floating_point():
            raise LoopError(
                f"{self._name}: {function} must return floats in [-1, 1] or uint8, got {images.dtype}"
            )
        low, high = torch.stack(images.aminmax()).tolist()
        if not images.isfinite().all():
            raise TrainingDiverged(step, "samples", float("nan"))
        if max(-low, high) > 1 + RANGE_TOLERANCE:
            remedy = "return images / 127.5 - 1" if high > SMALLEST_OF_UINT8 else "add .clamp(-1, 1)"
            raise LoopError(
                f"{self._name}: {function} must return images in [-1, 1], got [{low:.3g}, {high:.3g}]:"
                f" {remedy}"
            )
        return images.float()

    def _drawn_labels(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw classes ``(n,)`` with the distribution of the training images."""
        labels = self._labels().cpu()
        return labels[torch.randint(len(labels), (n,), generator=rng)]

    def _row_labels(self) -> Tensor:
        """Return the classes of the sample grid: the same one in each row."""
        rows = torch.arange(GRID_IMAGES) // GRID_COLUMNS
        return rows % (int(self._labels().max()) + 1)

    def _labels(self) -> Tensor:
        if self._data.train_labels is None:
            raise LoopError(
                f"{self._name}: sample has a third parameter, for classes, but the dataset {self._data.name}"
                " has no classes: remove the parameter, or use a dataset with classes"
            )
        return self._data.train_labels


def _number(purpose: str) -> int:
    """Return the seed of the global random numbers for one call of a loop's function."""
    return rng_for(purpose).initial_seed()
