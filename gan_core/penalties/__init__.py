"""Penalties on the discriminator's gradient, to be crossed with any loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gan_core.components import PENALTIES
from gan_core.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

__all__ = ["Penalty", "penalties"]

Penalty = Callable[["nn.Module", "Tensor", "Tensor", "Generator"], "Tensor | None"]
"""From the discriminator, real and generated images ``(N, C, H, W)`` without gradient, and a source of
randomness, to a penalty of shape ``()``, 0 or more, or to None where there is none."""

penalties: Registry[Penalty] = PENALTIES
