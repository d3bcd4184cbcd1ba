"""Conversions of images between value ranges and to PNG."""

from io import BytesIO
from math import ceil, sqrt

import torch
from PIL import Image
from torch import Tensor


def normalize(images: Tensor) -> Tensor:
    """Scale uint8 images in [0, 255] to float32 in [-1, 1], the range of a generator's Tanh."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Scale float images in [-1, 1] to uint8 in [0, 255], rounding to nearest."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def png_grid(images: Tensor) -> bytes:
    """Return a PNG of uint8 images ``(N, C, H, W)``, C being 1 or 3, in a square grid filled row by row.

    torchvision has ``make_grid``, but importing torchvision takes every worker as long as importing torch.
    """
    n, channels, height, width = images.shape
    side = ceil(sqrt(n))
    cells = torch.zeros(side * side, channels, height, width, dtype=torch.uint8)
    cells[:n] = images
    rows = cells.view(side, side, channels, height, width).permute(0, 3, 1, 4, 2)
    pixels = rows.reshape(side * height, side * width, channels)
    buffer = BytesIO()
    Image.fromarray((pixels.squeeze(2) if channels == 1 else pixels).numpy()).save(buffer, format="PNG")
    return buffer.getvalue()
