"""Drawing images with a kept generator."""

from math import pi

import numpy as np
import pytest
import torch
from PIL import Image

import sweeps
from gan_core.images import png_grid
from sweeps.errors import SweepError
from sweeps.generators.samples import FRAMES_PER_LEG, STOPS, check_file, walk, write_samples, write_walk
from tests.sweeps.ledgers import write_generator, write_kept


@pytest.fixture
def sweep(tmp_path):
    return sweeps.load("tiny", write_kept(tmp_path).parent)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_grid_is_what_the_generator_draws(sweep, tmp_path, name):
    write_samples(sweep.generator(), tmp_path / name, 9, seed=5)
    drawn = np.array(Image.open(tmp_path / name).convert("L"))
    (tmp_path / "expected.png").write_bytes(png_grid(sweep.generator().sample(9, seed=5)))
    assert np.array_equal(drawn, np.array(Image.open(tmp_path / "expected.png")))
    assert drawn.shape == (84, 84)


def test_a_walk_is_animated_and_closed(sweep, tmp_path):
    generator = sweep.generator()
    write_walk(generator, tmp_path / "a.gif", 4, seed=0)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames > 1
    steps = walk(generator, 4, seed=0)
    assert len(steps) == STOPS * FRAMES_PER_LEG
    longest = max((now - then).abs().max() for then, now in zip(steps, [*steps[1:], steps[0]], strict=True))
    assert longest <= 2 / FRAMES_PER_LEG + 1e-6


@pytest.mark.parametrize("noise_dim", [1, 2, 3, 96])
def test_a_walk_through_normal_noise_stays_between_its_stops(sweep, noise_dim):
    write_generator(sweep.folder, "tiny-0001", noise="normal", noise_dim=noise_dim)
    steps = torch.stack(walk(sweep.generator(), 200, seed=0))
    lengths = steps.norm(dim=2).unflatten(0, (STOPS, FRAMES_PER_LEG))
    stops = lengths[:, 0]
    ends = torch.stack([stops, stops.roll(-1, 0)])
    assert (lengths <= ends.amax(0)[:, None] + 1e-5).all()
    if noise_dim > 1:
        assert (lengths >= ends.amin(0)[:, None] - 1e-5).all()
    moves = (steps.roll(-1, 0) - steps).norm(dim=2).unflatten(0, (STOPS, FRAMES_PER_LEG))
    assert (moves <= 2 * pi / FRAMES_PER_LEG * ends.amax(0)[:, None]).all()


@pytest.mark.parametrize("name", ["a.jpeg", "a", "nowhere/a.png", "folder.png"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SweepError, match="--out"):
        check_file(tmp_path / name, animated=False)
