"""70,000 handwritten digits."""

from torchvision.datasets import MNIST

from gan_core.datasets import ImageDataset, datasets
from gan_core.datasets._torchvision import load_torchvision


@datasets.register("mnist")
def mnist() -> ImageDataset:
    """Load MNIST (LeCun et al., 1998): 60,000 to train on, 10,000 held out.

    28x28, grey; the classes are the digits.
    """
    return load_torchvision("mnist", MNIST)
