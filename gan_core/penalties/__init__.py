"""Gradient penalties on the discriminator, for use with any loss."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from gan_core.component import Component
from gan_core.components import PENALTIES
from gan_core.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

__all__ = ["Penalty", "PenaltyFunction", "penalties"]

PenaltyFunction = Callable[["nn.Module", "Tensor", "Tensor", "Generator"], "Tensor | None"]
"""A function of discriminator, detached real and generated images ``(N, C, H, W)``, and random generator.

It returns a non-negative penalty of shape ``()``, or None for no penalty."""


class Penalty(Component, ABC):
    """A penalty with parameters of its own; a penalty without parameters is a :data:`PenaltyFunction`."""

    @abstractmethod
    def __call__(
        self, discriminator: "nn.Module", real: "Tensor", fake: "Tensor", rng: "Generator"
    ) -> "Tensor | None":
        """Return the penalty, as a :data:`PenaltyFunction` does."""


penalties: Registry[PenaltyFunction] = PENALTIES
