"""60,000 colour photographs of 10 kinds of animals and vehicles."""

from torchvision.datasets import CIFAR10

from gan_core.datasets import ImageDataset, datasets
from gan_core.datasets._torchvision import load_torchvision


@datasets.register("cifar10")
def cifar10() -> ImageDataset:
    """Load CIFAR-10 (Krizhevsky, 2009): 32x32 colour, 50,000 to train on, 10,000 held out.

    Its files are pickles; torchvision loads them only if their MD5 is the published one.
    """
    return load_torchvision("cifar10", CIFAR10)
