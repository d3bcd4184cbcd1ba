from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from gan_core.images import normalize, png_grid, to_uint8


def test_every_grey_level_survives_the_round_trip():
    levels = torch.arange(256, dtype=torch.uint8)
    scaled = normalize(levels)
    assert (scaled.min(), scaled.max()) == (-1, 1)
    assert torch.equal(to_uint8(scaled), levels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_is_filled_row_by_row(channels):
    images = torch.stack([torch.full((channels, 2, 3), value, dtype=torch.uint8) for value in (10, 20, 30)])
    grid = np.asarray(Image.open(BytesIO(png_grid(images))))
    corners = grid[::2, ::3] if channels == 1 else grid[::2, ::3, 0]
    assert grid.shape[:2] == (4, 6)
    assert corners.tolist() == [[10, 20], [30, 0]]
