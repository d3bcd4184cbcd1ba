"""The contract of components is checked on the device of a trial."""

import pytest
import torch

from gan_core import ContractError, TrialConfig, check_contract
from gan_core.architectures import Architecture, architectures
from tests.gpu.devices import on_each_device

SHAPE = (1, 16, 16)


@on_each_device()
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp32", "penalty": "gradient-penalty", "spectral_norm": True},
        {"precision": "bf16", "ema_decay": 0.9, "loss": "relativistic"},
    ],
    ids=str,
)
@pytest.mark.parametrize("architecture", architectures.names())
def test_every_architecture_is_accepted(device, architecture, options):
    check_contract(TrialConfig(architecture=architecture, noise_dim=5, **options), SHAPE, device)


class NoiseOnCpu(torch.nn.Module):
    def forward(self, images):
        return images + torch.randn(images.shape)


class WithNoiseOnCpu(Architecture):
    """A generator that fails on a GPU."""

    discriminator = staticmethod(architectures.get("mlp").discriminator)

    @staticmethod
    def generator(config, image_shape):
        return torch.nn.Sequential(architectures.get("mlp").generator(config, image_shape), NoiseOnCpu())


@on_each_device()
def test_a_tensor_on_a_fixed_device_is_refused_with_its_network(device):
    config = TrialConfig(architecture=f"{__name__}:WithNoiseOnCpu", noise_dim=5)
    with pytest.raises(ContractError, match=r"WithNoiseOnCpu': the generator (raised|creates a tensor on)"):
        check_contract(config, SHAPE, device)
