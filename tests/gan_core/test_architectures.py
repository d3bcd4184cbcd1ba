import pytest
import torch
from torch import nn

from gan_core import DatasetError, TrialConfig
from gan_core.architectures import architectures
from tests.gan_core.tutorial_loop import PAIRS

SHAPE = (1, 28, 28)


def pair(name, shape=SHAPE, **options):
    config, architecture = TrialConfig(architecture=name, **options), architectures.get(name)
    return architecture.generator(config, shape), architecture.discriminator(config, shape)


def weights(module):
    return [tuple(weight.shape) for weight in module.parameters()]


def slopes(module):
    return {layer.negative_slope for layer in module if isinstance(layer, nn.LeakyReLU)}


@pytest.mark.parametrize("name", ["mlp", "dcgan"])
def test_at_28x28_the_networks_are_the_seeds(name):
    ours, seeds, inputs = (
        pair(name),
        PAIRS[name](),
        (torch.rand(5, 96) * 2 - 1, torch.rand(5, *SHAPE) * 2 - 1),
    )
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


def test_a_dcgan_says_from_which_size_on_it_works():
    assert pair("dcgan", (1, 16, 16))[1](torch.zeros(2, 1, 16, 16)).shape == (2, 1)
    for height, width in ((12, 16), (30, 30)):
        message = rf"dcgan needs images of at least 16x16 .* multiples of 4, got {height}x{width}: use mlp"
        with pytest.raises(DatasetError, match=message):
            pair("dcgan", (1, height, width))
