import pytest
import torch
from torch import nn

from gan_core import TrialConfig
from gan_core.architectures import architectures

SHAPE = (1, 28, 28)


def pair(name, shape=SHAPE, **options):
    config, architecture = TrialConfig(architecture=name, **options), architectures.get(name)
    return architecture.generator(config, shape), architecture.discriminator(config, shape)


def weights(module):
    return [tuple(weight.shape) for weight in module.parameters()]


def slopes(module):
    return {layer.negative_slope for layer in module if isinstance(layer, nn.LeakyReLU)}


SEED_MLP = (
    nn.Sequential(
        nn.Linear(96, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 784), nn.Tanh()
    ),
    nn.Sequential(
        nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1)
    ),
)
SEED_DCGAN = (
    nn.Sequential(
        nn.Linear(96, 1024),
        nn.ReLU(),
        nn.BatchNorm1d(1024),
        nn.Linear(1024, 7 * 7 * 128),
        nn.ReLU(),
        nn.BatchNorm1d(7 * 7 * 128),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 1, 4, 2, padding=1),
        nn.Tanh(),
    ),
    nn.Sequential(
        nn.Conv2d(1, 32, 5, 1),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(32, 64, 5, 1),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(1024, 1024),
        nn.LeakyReLU(0.01),
        nn.Linear(1024, 1),
    ),
)


@pytest.mark.parametrize(("name", "seeds"), [("mlp", SEED_MLP), ("dcgan", SEED_DCGAN)])
def test_at_28x28_the_networks_are_the_seeds(name, seeds):
    ours, inputs = pair(name), (torch.rand(5, 96) * 2 - 1, torch.rand(5, *SHAPE) * 2 - 1)
    for mine, seed, values in zip(ours, seeds, inputs, strict=True):
        assert weights(mine) == weights(seed)
        for target, source in zip(seed.state_dict().values(), mine.state_dict().values(), strict=True):
            target.copy_(source)
        given = values.flatten(1) if isinstance(seed[0], nn.Linear) else values
        torch.testing.assert_close(mine(values).flatten(1), seed(given).flatten(1), rtol=0, atol=0)
    assert slopes(ours[1]) == slopes(seeds[1])


@pytest.mark.parametrize("name", architectures.names())
@pytest.mark.parametrize("shape", [SHAPE, (3, 32, 32), (3, 64, 48)])
def test_shapes_and_range(name, shape):
    generator, discriminator = pair(name, shape, noise_dim=7, leaky_slope=0.3)
    images = generator(100 * torch.randn(5, 7))
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (5, 1)
    assert slopes(discriminator) == {0.3}
