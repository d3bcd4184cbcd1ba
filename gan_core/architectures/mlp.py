"""Fully connected networks."""

from math import prod
from typing import ClassVar

from torch import nn

from gan_core.architectures import Architecture, ImageShape, architectures
from gan_core.config import TrialConfig


@architectures.register("mlp")
class MLP(Architecture):
    """The vanilla GAN, two hidden layers per network, after Goodfellow et al., 2014 (arXiv:1406.2661)."""

    independent_rows: ClassVar[bool] = True

    @staticmethod
    def generator(config: TrialConfig, image_shape: ImageShape) -> nn.Module:
        """Return noise -> 1024 -> 1024 -> pixels, with ReLU between layers and Tanh last."""
        return nn.Sequential(
            nn.Linear(config.noise_dim, 1024),
            nn.ReLU(),
            nn.Linear(1024, 1024),
            nn.ReLU(),
            nn.Linear(1024, prod(image_shape)),
            nn.Tanh(),
            nn.Unflatten(1, image_shape),
        )

    @staticmethod
    def discriminator(config: TrialConfig, image_shape: ImageShape) -> nn.Module:
        """Return pixels -> 256 -> 256 -> 1, with LeakyReLU between layers."""
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(image_shape), 256),
            nn.LeakyReLU(config.leaky_slope),
            nn.Linear(256, 256),
            nn.LeakyReLU(config.leaky_slope),
            nn.Linear(256, 1),
        )
