"""Pairs of generator and discriminator networks."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from gan_core.component import Component
from gan_core.components import ARCHITECTURES
from gan_core.config import TrialConfig
from gan_core.registry import Registry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Architecture", "ImageShape", "architectures"]

ImageShape = tuple[int, int, int]
"""Channels, height and width of an image."""


class Architecture(Component, ABC):
    """Builds the two networks of a GAN for images of a given shape.

    A subclass with parameters (:class:`gan_core.component.Component`) defines ordinary methods, which read
    the parameters from ``self``; without parameters, the methods may be static.
    """

    independent_rows: ClassVar[bool | None] = None
    """Whether an image's logits never depend on the other images of its batch, as with batch normalization.

    If True, the discriminator receives real and generated images in one batch, which is faster; if False, in
    a batch each. If None, a training finds out before its first step. Subclasses do not inherit the value.
    """

    @staticmethod
    @abstractmethod
    def generator(config: TrialConfig, image_shape: ImageShape) -> "nn.Module":
        """Return a network that maps noise ``(N, noise_dim)`` to images ``(N, C, H, W)``.

        Training images are in [-1, 1]; generated images are clamped to this range when they are scored.
        """

    @staticmethod
    @abstractmethod
    def discriminator(config: TrialConfig, image_shape: ImageShape) -> "nn.Module":
        """Return a network that maps images ``(N, C, H, W)`` to logits, one or several for each image.

        The logits have shape ``(N, 1)``, ``(N, k)`` or ``(N, 1, h, w)``.
        """


architectures: Registry[type[Architecture]] = ARCHITECTURES
