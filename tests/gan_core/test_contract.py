"""What every combination of components must do, the registered ones of today and of tomorrow."""

from itertools import product

import pytest
import torch

from gan_core import Trainer, TrialConfig
from gan_core.architectures import architectures
from gan_core.losses import losses
from gan_core.penalties import penalties

SHAPE = (1, 16, 16)
BATCH, STEPS = 8, 20


def trained(config, shape=SHAPE, steps=STEPS):
    trainer = Trainer(config, shape)
    rng = torch.Generator().manual_seed(0)
    for _ in range(steps):
        real = torch.rand(config.d_steps * BATCH, *shape, generator=rng) * 2 - 1
        noise = torch.randn(config.d_steps * BATCH, config.noise_dim, generator=rng)
        step_losses = trainer.step(real, noise)
    return trainer, step_losses


@pytest.mark.parametrize(
    ("architecture", "loss", "penalty"),
    [*product(architectures.names(), losses.names(), penalties.names())],
)
def test_every_combination_trains(architecture, loss, penalty):
    config = TrialConfig(architecture=architecture, loss=loss, penalty=penalty, noise_dim=5, lr=1e-4)
    trainer, step_losses = trained(config)
    untrained = Trainer(config, SHAPE)
    assert step_losses.keys() == {"d_loss", "g_loss"}
    assert all(value.shape == () and value.isfinite() for value in step_losses.values())
    assert trainer.generate(torch.zeros(3, 5)).shape == (3, *SHAPE)
    for network in ("generator", "discriminator"):
        before, after = (dict(getattr(each, network).named_parameters()) for each in (untrained, trainer))
        assert all(not torch.equal(before[name], after[name]) for name in before if before[name].dim() > 1)
        assert all(weight.isfinite().all() for weight in after.values())


@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize(
    "options",
    [
        {"spectral_norm": True},
        {"ema_decay": 0.9},
        {"d_steps": 3},
        {"lr_d": 1e-3},
        {"spectral_norm": True, "ema_decay": 0.9, "d_steps": 2, "penalty": "gradient-penalty"},
    ],
    ids=str,
)
def test_every_option_trains(architecture, options):
    _, step_losses = trained(TrialConfig(architecture=architecture, noise_dim=5, **options), steps=5)
    assert all(value.isfinite() for value in step_losses.values())


@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 48)])
def test_every_architecture_takes_every_shape(architecture, shape):
    trained(TrialConfig(architecture=architecture, noise_dim=5), shape, steps=1)
