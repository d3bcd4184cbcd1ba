"""The networks of classifiers: a small one for grey images, and a residual one for colour images."""

from math import ceil, log2

from torch import Tensor, nn

from gan_core.architectures import ImageShape

FEATURE_DIM = 64
RESIDUAL_SIDE = 32
"""The largest height or width of the images that the first layers of a residual classifier leave."""


class Classifier(nn.Module):
    """A convolutional classifier whose last hidden layer is the feature space.

    Three 3x3 convolutions of stride 2 (32, 64 and 64 channels), a hidden layer of 64, and the logits.

    Args:
        image_shape: Channels, height and width.
        n_classes: The number of logits.
    """

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * -(-height // 8) * -(-width // 8), FEATURE_DIM),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURE_DIM, n_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the non-negative features ``(N, 64)`` and the class logits of images in [-1, 1]."""
        features: Tensor = self.body(images)
        return features, self.head(features)


class ResidualClassifier(nn.Module):
    """A residual classifier whose last hidden layer, averaged over the image, is the feature space.

    Convolutions of stride 2 bring larger images to at most 32 x 32; a convolution and three residual blocks
    follow, each with batch normalization (He et al., 2016, arXiv:1512.03385).

    Args:
        image_shape: Channels, height and width.
        n_classes: The number of logits.
    """

    def __init__(self, image_shape: ImageShape, n_classes: int) -> None:
        super().__init__()
        channels, *sides = image_shape
        halvings = max(0, ceil(log2(max(sides) / RESIDUAL_SIDE)))
        self.body = nn.Sequential(
            _convolution(channels, 32, stride=2 if halvings else 1),
            *(_convolution(32, 32, stride=2) for _ in range(halvings - 1)),
            _Residual(32, 64),
            _Residual(64, 128),
            _Residual(128, 128),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(128, n_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the non-negative features ``(N, 128)`` and the class logits of images in [-1, 1]."""
        features: Tensor = self.body(images)
        return features, self.head(features)


class _Residual(nn.Module):
    """Two 3x3 convolutions, the first of stride 2, beside a 1x1 convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            _convolution(inputs, outputs, stride=2),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.branch(x) + self.shortcut(x)
        return total.relu()


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return a 3x3 convolution with batch normalization and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
