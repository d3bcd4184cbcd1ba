import pytest
import torch
from torch import nn

from gan_core.penalties import penalties

SHAPE = (4, 1, 2, 3)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def linear():
    """A discriminator whose gradient is (3, 4, 0, 0, 0, 0) everywhere: its norm is 5."""
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
    with torch.no_grad():
        discriminator[1].weight.copy_(torch.tensor([[3.0, 4.0, 0.0, 0.0, 0.0, 0.0]]))
    return discriminator


@pytest.mark.parametrize(("name", "answer"), [("gradient-penalty", 16.0), ("dragan", 16.0), ("r1", 12.5)])
def test_a_linear_discriminator_has_a_known_penalty(linear, rng, name, answer):
    penalty = penalties.get(name)(linear, torch.randn(SHAPE), torch.randn(SHAPE), rng)
    assert penalty.item() == pytest.approx(answer)


class Patches(nn.Module):
    """Five logits, 1 to 5 times the one of ``linear``: the gradient of their mean is 3 times as large."""

    def __init__(self, linear, shape):
        super().__init__()
        self.linear, self.shape = linear, shape

    def forward(self, images):
        return (self.linear(images) * torch.arange(1.0, 6.0)).unflatten(1, self.shape)


@pytest.mark.parametrize("shape", [(5,), (1, 5, 1)])
@pytest.mark.parametrize(
    ("name", "answer"), [("gradient-penalty", 14.0**2), ("dragan", 14.0**2), ("r1", 112.5)]
)
def test_the_penalty_of_several_logits_is_that_of_their_mean(linear, rng, name, answer, shape):
    discriminator = Patches(linear, shape)
    penalty = penalties.get(name)(discriminator, torch.randn(SHAPE), torch.randn(SHAPE), rng)
    assert penalty.item() == pytest.approx(answer)


def test_no_penalty_is_none(linear, rng):
    assert penalties.get("none")(linear, torch.randn(SHAPE), torch.randn(SHAPE), rng) is None


class Recorder(nn.Module):
    def forward(self, images):
        self.images = images
        return images.square().flatten(1).sum(1, keepdim=True)


def test_the_gradient_penalty_looks_between_pairs_at_one_point_a_sample(rng):
    recorder, real, fake = Recorder(), torch.zeros(SHAPE), torch.ones(SHAPE)
    penalties.get("gradient-penalty")(recorder, real, fake, rng)
    points = recorder.images.flatten(1)
    assert torch.equal(points, points[:, :1].expand_as(points))
    assert len(points[:, 0].unique()) == SHAPE[0]
    assert ((points >= 0) & (points <= 1)).all()


def test_r1_looks_at_real_images_and_dragan_around_them(rng):
    recorder, real, fake = Recorder(), torch.randn(SHAPE), torch.randn(SHAPE)
    penalties.get("r1")(recorder, real, fake, rng)
    assert torch.equal(recorder.images, real)
    drawn = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    penalties.get("dragan")(recorder, real, fake, rng.manual_seed(1))
    torch.testing.assert_close(recorder.images, real + 0.5 * real.std() * drawn)


@pytest.mark.parametrize("name", ["gradient-penalty", "r1", "dragan"])
def test_a_penalty_can_be_differentiated_with_respect_to_the_weights(linear, rng, name):
    penalties.get(name)(linear, torch.randn(SHAPE), torch.randn(SHAPE), rng).backward()
    assert linear[1].weight.grad.abs().max() > 0
