"""Endless batches of shuffled training images."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gan_core.images import normalize
from gan_core.memory import copied_to
from gan_core.noise import rng_for
from gan_core.randomness import random_state, set_random_state


class Batch(NamedTuple):
    """Training images and their classes.

    Args:
        images: float32 in [-1, 1], shape ``(N, C, H, W)``.
        labels: The classes, int64 ``(N,)``; None if the dataset has no classes.
    """

    images: Tensor
    labels: Tensor | None


class Batches(Iterator[Batch]):
    """Endless batches of training images from shuffled epochs; a batch may span two epochs.

    One seed gives one order. The batches continue exactly from their :meth:`state_dict`.

    Args:
        images: uint8 ``(N, C, H, W)``.
        labels: The classes of the images, int64 ``(N,)``, or None.
        batch_size: The number of images of each batch.
        seed: The seed of the order.
        device: The device of the batches; by default, that of the images.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None,
        batch_size: int,
        seed: int,
        device: torch.device | str | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self._images, self._labels = images, labels
        self._batch_size = batch_size
        self._device = torch.device(device or images.device)
        self._rng = rng_for("order", seed)
        self._indices = torch.empty(0, dtype=torch.long, device=self._images.device)

    def __next__(self) -> Batch:
        """Return the next batch."""
        indices = self._next_indices()
        images = normalize(self._selected(self._images, indices))
        return Batch(images, None if self._labels is None else self._selected(self._labels, indices))

    def state_dict(self) -> dict[str, Any]:
        """Return the state for :meth:`load_state_dict`: the place in the order, and the global random states.

        The global random states are those of :func:`gan_core.randomness.random_state`. A loop that draws its
        noise from them, and saves this state, continues exactly.
        """
        return {
            "rng": self._rng.get_state(),
            "indices": self._indices.clone(),
            "randomness": random_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that :meth:`state_dict` returned, and the global random states with it.

        Call this after the networks are built: their initial weights are drawn from the global random
        states.
        """
        self._rng.set_state(state["rng"].cpu())
        self._indices = state["indices"].to(self._images.device)
        set_random_state(state["randomness"])

    def _selected(self, values: Tensor, indices: Tensor) -> Tensor:
        """Return some of the values on the device of the batches."""
        return copied_to(self._device, values.index_select(0, indices))

    def _next_indices(self) -> Tensor:
        while len(self._indices) < self._batch_size:
            epoch = torch.randperm(len(self._images), generator=self._rng).to(self._images.device)
            self._indices = torch.cat([self._indices, epoch])
        batch, self._indices = self._indices.tensor_split([self._batch_size])
        return batch
