"""The held-out split of datasets without a test set."""

import torch
from torch import Tensor

HOLD_OUT_EVERY = 5


def held_out_mask(n_images: int) -> Tensor:
    """Return a mask of every fifth of ``n_images``: bool, shape ``(n_images,)``.

    If the images are sorted by class, the mask selects about a fifth of each class.
    """
    return torch.arange(n_images) % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1
