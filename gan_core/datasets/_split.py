"""What is held out of datasets that come in one part."""

import torch
from torch import Tensor

HOLD_OUT_EVERY = 5


def held_out_mask(n_images: int) -> Tensor:
    """Return which of ``n_images`` are held out: bool, shape ``(n_images,)``.

    Of images that are sorted by class, it is about a fifth of each class.
    """
    return torch.arange(n_images) % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1
