"""GAN losses: a discriminator loss and a generator loss each, as pure functions of logits."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from gan_core.component import Component
from gan_core.components import LOSSES
from gan_core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Loss", "losses"]


class Loss(Component, ABC):
    """The two losses that the discriminator and the generator minimize.

    Logits are the discriminator's output: any real value, shape ``(N, 1)``, or ``(N, k)`` or ``(N, 1, h, w)``
    if the discriminator rates several parts of an image. Both losses are means over all logits, shape ``()``.
    A subclass with parameters (:class:`gan_core.component.Component`) defines ordinary methods, which read
    the parameters from ``self``; without parameters, the methods may be static.
    """

    generator_uses_real: ClassVar[bool] = False
    """Whether the generator's loss uses real logits, which take an extra forward pass."""

    @staticmethod
    @abstractmethod
    def discriminator(real_logits: "Tensor", fake_logits: "Tensor") -> "Tensor":
        """Return the discriminator's loss on equally many real and generated images."""

    @staticmethod
    @abstractmethod
    def generator(real_logits: "Tensor | None", fake_logits: "Tensor") -> "Tensor":
        """Return the generator's loss; ``real_logits`` is None unless ``generator_uses_real``."""


losses: Registry[type[Loss]] = LOSSES
