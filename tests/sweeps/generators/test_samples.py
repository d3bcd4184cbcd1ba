"""Images from a kept generator."""

import numpy as np
import pytest
from PIL import Image

import sweeps
from gan_core.images import png_grid
from sweeps.errors import SweepError, UnknownTrialError
from sweeps.generators.samples import FRAMES_A_LEG, STOPS, check_file, walk, write_samples, write_walk
from sweeps.record.layout import weights_file
from tests.sweeps.ledgers import write_confirmation, write_generator, write_kept


@pytest.fixture
def sweep(tmp_path):
    return sweeps.load("tiny", write_kept(tmp_path).parent)


def test_the_best_generator_is_the_default(sweep):
    assert sweep.best_with_weights() == "tiny-0001"
    generator = sweep.generator()
    assert not generator.training
    assert np.array_equal(generator.sample(3), sweep.generator("tiny-0001").sample(3))


@pytest.mark.parametrize(
    ("trial_id", "message"),
    [
        ("tiny-0000", "only those of the search's best trials are kept.*tiny-0001 has one"),
        ("tiny-0002", "it is stopped early, and only trials trained to their end.*tiny-0001 has one"),
        ("tiny-9999", "no trial 'tiny-9999'"),
    ],
)
def test_why_a_trial_has_no_generator_and_which_has_one(sweep, trial_id, message):
    with pytest.raises(UnknownTrialError, match=message):
        sweep.generator(trial_id)


def test_a_sweep_that_keeps_none_says_so(sweep):
    weights_file(sweep.folder, "tiny-0001").unlink()
    with pytest.raises(UnknownTrialError, match="tiny keeps no generator"):
        sweep.generator()


def test_another_than_the_winner_is_taken_by_its_name_alone(tmp_path):
    folder = write_kept(tmp_path)
    sweep = write_confirmation(folder, {"tiny-0000": [10.0, 11.0, 10.5], "tiny-0001": [50.0, 55.0, 53.0]})
    with pytest.raises(UnknownTrialError, match=r"tiny-0000 won .* not kept.* --trial tiny-0001"):
        sweep.generator()
    assert sweep.generator("tiny-0001")


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_grid_is_what_the_generator_draws(sweep, tmp_path, name):
    write_samples(sweep.generator(), tmp_path / name, 9, seed=5)
    drawn = np.array(Image.open(tmp_path / name).convert("L"))
    (tmp_path / "expected.png").write_bytes(png_grid(sweep.generator().sample(9, seed=5)))
    assert np.array_equal(drawn, np.array(Image.open(tmp_path / "expected.png")))
    assert drawn.shape == (84, 84)


def test_a_walk_is_animated_and_comes_back_to_where_it_began(sweep, tmp_path):
    generator = sweep.generator()
    write_walk(generator, tmp_path / "a.gif", 4, seed=0)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames > 1
    steps = walk(generator, 4, seed=0)
    assert len(steps) == STOPS * FRAMES_A_LEG
    longest = max((now - then).abs().max() for then, now in zip(steps, [*steps[1:], steps[0]], strict=True))
    assert longest <= 2 / FRAMES_A_LEG + 1e-6


def test_a_walk_of_normal_noise_keeps_to_its_sphere(sweep):
    write_generator(sweep.folder, "tiny-0001", noise="normal")
    generator = sweep.generator()
    lengths = [noise.norm(dim=1) for noise in walk(generator, 16, seed=0)]
    stops = [length.min() for length in lengths[::FRAMES_A_LEG]]
    assert min(length.min() for length in lengths) >= 0.9 * min(stops)


@pytest.mark.parametrize("name", ["a.jpeg", "a", "nowhere/a.png", "folder.png"])
def test_a_file_that_cannot_be_written_is_told_before(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SweepError, match="--out"):
        check_file(tmp_path / name, animated=False)
