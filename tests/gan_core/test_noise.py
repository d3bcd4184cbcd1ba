import pytest
import torch

from gan_core import TrialConfig
from gan_core.noise import draw_noise, sample_noise, stream


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_sample_noise_is_one_bank_for_all_dimensions(noise):
    large, small = (sample_noise(TrialConfig(noise=noise, noise_dim=dim)) for dim in (256, 16))
    assert torch.equal(small, large[:, :16])
    assert large.shape == (64, 256)
    assert (large.abs().max() <= 1) == (noise == "uniform")
    assert large.mean().abs() < 0.05
    assert large.std() == pytest.approx({"uniform": 3**-0.5, "normal": 1}[noise], rel=0.05)


@pytest.mark.parametrize(("noise", "spread"), [("uniform", 3**-0.5), ("normal", 1)])
def test_a_training_draws_the_noise_that_was_asked_for(noise, spread):
    drawn = draw_noise(TrialConfig(noise=noise, noise_dim=64), 500, stream("noise"))
    assert drawn.shape == (500, 64)
    assert (drawn.abs().max() <= 1) == (noise == "uniform")
    assert drawn.std() == pytest.approx(spread, rel=0.02)


def test_no_two_purposes_and_no_two_seeds_share_their_numbers():
    streams = [stream("noise", 0), stream("noise", 1), stream("penalty", 0), stream("evaluation")]
    assert len({float(torch.rand((), generator=rng)) for rng in streams}) == 4
