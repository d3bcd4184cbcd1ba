import pytest
import torch
from torch import nn

from gan_core import TrialConfig
from gan_core.architectures import architectures

SHAPE = (1, 28, 28)


def layers(module):
    return [
        (
            type(layer).__name__,
            *((layer.in_features, layer.out_features) if isinstance(layer, nn.Linear) else ()),
        )
        for layer in module
        if not isinstance(layer, nn.Flatten | nn.Unflatten)
    ]


def test_the_mlp_generator_is_the_seeds():
    generator = architectures.get("mlp").generator(TrialConfig(), SHAPE)
    assert layers(generator) == [
        ("Linear", 96, 1024),
        ("ReLU",),
        ("Linear", 1024, 1024),
        ("ReLU",),
        ("Linear", 1024, 784),
        ("Tanh",),
    ]


def test_the_mlp_discriminator_is_the_seeds():
    discriminator = architectures.get("mlp").discriminator(TrialConfig(leaky_slope=0.3), SHAPE)
    assert layers(discriminator) == [
        ("Linear", 784, 256),
        ("LeakyReLU",),
        ("Linear", 256, 256),
        ("LeakyReLU",),
        ("Linear", 256, 1),
    ]
    assert {layer.negative_slope for layer in discriminator if isinstance(layer, nn.LeakyReLU)} == {0.3}


@pytest.mark.parametrize("name", architectures.names())
@pytest.mark.parametrize("shape", [SHAPE, (3, 32, 32)])
def test_shapes_and_range(name, shape):
    config, pair = TrialConfig(architecture=name, noise_dim=7), architectures.get(name)
    images = pair.generator(config, shape)(100 * torch.randn(5, 7))
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    assert pair.discriminator(config, shape)(images).shape == (5, 1)
