"""GAN losses: a discriminator's and a generator's, as pure functions of logits."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from gan_core.components import LOSSES
from gan_core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Loss", "losses"]


class Loss(ABC):
    """What the discriminator and the generator minimise.

    Logits are what the discriminator returns, of shape ``(N, 1)`` and any real value; both losses are
    means over the batch, of shape ``()``.
    """

    generator_uses_real: ClassVar[bool] = False
    """Whether the generator's loss depends on real logits, which cost a forward pass."""

    @staticmethod
    @abstractmethod
    def discriminator(real_logits: "Tensor", fake_logits: "Tensor") -> "Tensor":
        """Return the discriminator's loss on as many real as generated images."""

    @staticmethod
    @abstractmethod
    def generator(real_logits: "Tensor | None", fake_logits: "Tensor") -> "Tensor":
        """Return the generator's loss; the real logits are None where ``generator_uses_real`` is False."""


losses: Registry[type[Loss]] = LOSSES
