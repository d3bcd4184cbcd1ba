"""Gradient penalties on the discriminator, for use with any loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gan_core.components import PENALTIES
from gan_core.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

__all__ = ["Penalty", "penalties"]

Penalty = Callable[["nn.Module", "Tensor", "Tensor", "Generator"], "Tensor | None"]
"""A function of discriminator, detached real and generated images ``(N, C, H, W)``, and random generator.

It returns a non-negative penalty of shape ``()``, or None for no penalty."""

penalties: Registry[Penalty] = PENALTIES
