"""Components with parameters of their own, for tests."""

from math import prod
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from gan_core import Changeable
from gan_core.architectures import Architecture
from gan_core.losses import Loss
from gan_core.penalties import Penalty


class Wide(Architecture):
    """Two layers per network; ``width`` is the number of hidden units."""

    width: Annotated[int, Field(ge=8, le=1024, description="Hidden units.")] = 64
    activation: Literal["relu", "tanh"] = "relu"

    def generator(self, config, image_shape):
        layer = nn.ReLU() if self.activation == "relu" else nn.Tanh()
        return nn.Sequential(
            nn.Linear(config.noise_dim, self.width),
            layer,
            nn.Linear(self.width, prod(image_shape)),
            nn.Tanh(),
            nn.Unflatten(1, image_shape),
        )

    def discriminator(self, config, image_shape):
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(image_shape), self.width),
            nn.LeakyReLU(config.leaky_slope),
            nn.Linear(self.width, 1),
        )


class Narrow(Wide):
    """A subclass with another default and range of the same parameter, and one more parameter."""

    width: Annotated[int, Field(ge=2, le=32)] = 16
    bias: bool = True


class Margin(Loss):
    """A hinge with a margin, which may change during a training."""

    margin: Annotated[float, Field(gt=0), Changeable] = 1.0

    def discriminator(self, real_logits, fake_logits):
        return (self.margin + fake_logits - real_logits).relu().mean()

    def generator(self, real_logits, fake_logits):
        return -fake_logits.mean()


class Drift(Penalty):
    """A penalty on large logits of real images."""

    power: Annotated[int, Field(ge=1, le=4)] = 2

    def __call__(self, discriminator, real, fake, rng):
        return discriminator(real).abs().pow(self.power).mean()
