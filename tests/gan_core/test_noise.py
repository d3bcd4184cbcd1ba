import pytest
import torch

from gan_core import TrialConfig
from gan_core.noise import draw_noise, fixed_noise, rng_for


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_sample_noise_is_one_bank_for_all_dimensions(noise):
    large, small = (fixed_noise(TrialConfig(noise=noise, noise_dim=dim)) for dim in (256, 16))
    assert torch.equal(small, large[:, :16])
    assert large.shape == (64, 256)
    assert (large.abs().max() <= 1) == (noise == "uniform")
    assert large.mean().abs() < 0.05
    assert large.std() == pytest.approx({"uniform": 3**-0.5, "normal": 1}[noise], rel=0.05)


@pytest.mark.parametrize(("noise", "spread"), [("uniform", 3**-0.5), ("normal", 1)])
def test_a_training_draws_the_noise_that_was_asked_for(noise, spread):
    drawn = draw_noise(TrialConfig(noise=noise, noise_dim=64), 500, rng_for("noise"))
    assert drawn.shape == (500, 64)
    assert (drawn.abs().max() <= 1) == (noise == "uniform")
    assert drawn.std() == pytest.approx(spread, rel=0.02)


def test_no_two_purposes_and_no_two_seeds_share_their_numbers():
    rngs = [rng_for("noise", 0), rng_for("noise", 1), rng_for("penalty", 0), rng_for("evaluation")]
    assert len({float(torch.rand((), generator=rng)) for rng in rngs}) == 4
