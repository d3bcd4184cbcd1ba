"""70,000 cursive Japanese characters of 10 classes."""

from torchvision.datasets import KMNIST

from gan_core.datasets import ImageDataset, datasets
from gan_core.datasets._torchvision import load_torchvision


@datasets.register("kmnist")
def kmnist() -> ImageDataset:
    """Load Kuzushiji-MNIST (Clanuwat et al., 2018, arXiv:1812.01718): 60,000 to train on, 10,000 held out.

    28x28, grey; 10 classes.
    """
    return load_torchvision("kmnist", KMNIST)
