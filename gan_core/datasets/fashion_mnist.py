"""70,000 pictures of 10 kinds of clothes."""

from torchvision.datasets import FashionMNIST

from gan_core.datasets import ImageDataset, datasets
from gan_core.datasets._torchvision import load_torchvision


@datasets.register("fashion-mnist")
def fashion_mnist() -> ImageDataset:
    """Load Fashion-MNIST (Xiao et al., 2017, arXiv:1708.07747): 60,000 to train on, 10,000 held out.

    28x28, grey; 10 classes.
    """
    return load_torchvision("fashion-mnist", FashionMNIST)
