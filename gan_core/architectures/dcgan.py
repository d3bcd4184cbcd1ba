"""Convolutional networks."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from gan_core.architectures import Architecture, ImageShape, architectures
from gan_core.config import TrialConfig
from gan_core.errors import DatasetError

MIN_SIZE, SIZE_MULTIPLE = 16, 4


@architectures.register("dcgan")
class DCGAN(Architecture):
    """The tutorial's convolutional pair, after Radford et al., 2016 (arXiv:1511.06434)."""

    independent_rows: ClassVar[bool] = True

    @staticmethod
    def generator(config: TrialConfig, image_shape: ImageShape) -> nn.Module:
        """Return noise -> 1024 -> 128 maps of a quarter of the size -> 64 of half the size -> image.

        ReLU and then batch normalization follow every layer except the last, which has Tanh.
        """
        channels, height, width = image_shape
        start = (128, height // 4, width // 4)
        start_size = 128 * (height // 4) * (width // 4)
        return nn.Sequential(
            nn.Linear(config.noise_dim, 1024),
            nn.ReLU(),
            nn.BatchNorm1d(1024),
            nn.Linear(1024, start_size),
            nn.ReLU(),
            nn.BatchNorm1d(start_size),
            nn.Unflatten(1, start),
            Upsample2x(128, 64),
            nn.ReLU(),
            nn.BatchNorm2d(64),
            Upsample2x(64, channels),
            nn.Tanh(),
        )

    @staticmethod
    def discriminator(config: TrialConfig, image_shape: ImageShape) -> nn.Module:
        """Return two 5x5 convolutions, to 32 and 64 maps, each max-pooled by 2 -> 1024 -> 1, with LeakyReLU.

        Pooling comes before LeakyReLU, on a quarter of the tutorial's values; LeakyReLU is increasing, so
        the result is the same.

        Raises:
            DatasetError: The images are smaller than 16x16, or a side is not a multiple of 4.
        """
        channels, height, width = image_shape
        if min(height, width) < MIN_SIZE or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise DatasetError(
                f"dcgan needs images of at least {MIN_SIZE}x{MIN_SIZE} with sides that are multiples of"
                f" {SIZE_MULTIPLE}, got {height}x{width}: use mlp"
            )
        pooled_size = 64 * _pooled(_pooled(height)) * _pooled(_pooled(width))
        return nn.Sequential(
            nn.Conv2d(channels, 32, kernel_size=5),
            nn.MaxPool2d(2),
            nn.LeakyReLU(config.leaky_slope),
            nn.Conv2d(32, 64, kernel_size=5),
            nn.MaxPool2d(2),
            nn.LeakyReLU(config.leaky_slope),
            nn.Flatten(),
            nn.Linear(pooled_size, 1024),
            nn.LeakyReLU(config.leaky_slope),
            nn.Linear(1024, 1),
        )


class Upsample2x(nn.ConvTranspose2d):
    """A 4x4 transposed convolution that doubles height and width, and adds its bias in a separate step.

    On CPUs, oneDNN is a third to a half slower if the convolution itself adds the bias.
    """

    bias: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1)

    def forward(self, maps: Tensor) -> Tensor:  # type: ignore[override] # no output_size
        """Return maps ``(N, out_channels, 2H, 2W)`` for maps ``(N, in_channels, H, W)``."""
        upsampled = conv_transpose2d(maps, self.weight, stride=2, padding=1)
        return upsampled + self.bias.to(upsampled.dtype).view(-1, 1, 1)


def _pooled(size: int) -> int:
    """Return the side length after a 5x5 convolution without padding and 2x2 pooling."""
    return (size - 4) // 2
