"""A discriminator gets one batch of real and generated images only if each image's logits are its own."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.functional import dropout

from gan_core import ContractError, Trainer, TrialConfig, check_contract, train
from gan_core.architectures import Architecture, architectures
from gan_core.architectures.dcgan import DCGAN
from gan_core.discriminators import found_independent, has_independent_rows
from gan_core.images import normalize
from gan_core.losses import losses
from gan_core.penalties import penalties

SHAPE = (1, 28, 28)


class Radford(Architecture):
    """The DCGAN of PyTorch's example, for 28x28: BatchNorm in both networks, N(0, 0.02) weights."""

    @staticmethod
    def generator(config, image_shape):
        network = nn.Sequential(
            nn.Unflatten(1, (config.noise_dim, 1, 1)),
            nn.ConvTranspose2d(config.noise_dim, 32, 7, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.ConvTranspose2d(16, image_shape[0], 4, 2, 1, bias=False),
            nn.Tanh(),
        )
        return network.apply(draw_weights)

    @staticmethod
    def discriminator(config, image_shape):
        network = nn.Sequential(
            nn.Conv2d(image_shape[0], 16, 4, 2, 1, bias=False),
            nn.LeakyReLU(config.leaky_slope),
            nn.Conv2d(16, 32, 4, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(config.leaky_slope),
            nn.Conv2d(32, 1, 7, bias=False),
            nn.Flatten(),
        )
        return network.apply(draw_weights)


def draw_weights(layer):
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


class Flat(Radford):
    """A discriminator of two linear layers with one layer, ``between``, that the subclasses replace."""

    between = nn.Identity

    @classmethod
    def discriminator(cls, config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), cls.between(), nn.ReLU(), nn.Linear(16, 1))


class MinibatchStd(nn.Module):
    """Adds the mean standard deviation over the batch to every feature, times a weight."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, features):
        return features + self.weight * features.std(0).mean()


class Neighbour(nn.Module):
    def forward(self, features):
        return features + 0.1 * features.roll(1, 0)


class FunctionalDropout(nn.Module):
    def forward(self, features):
        return dropout(features, training=self.training)


class OwnSpectralNorm(nn.Module):
    """Divides by an estimate that changes with every pass, but not with the images."""

    def __init__(self):
        super().__init__()
        self.passes = 0
        self.register_buffer("norm", torch.ones(()))

    def forward(self, features):
        self.passes += 1
        self.norm *= 1.1
        return features / self.norm / self.passes


class Plain(Flat):
    pass


class WithBatchNorm(Flat):
    between = staticmethod(lambda: nn.BatchNorm1d(16))


class WithMinibatchStd(Flat):
    between = MinibatchStd


class WithHiddenMinibatchStd(Flat):
    between = staticmethod(lambda: MinibatchStd(0.0))


class WithDroppedMinibatchStd(Flat):
    between = staticmethod(lambda: nn.Sequential(MinibatchStd(), nn.Dropout(0.999)))


class WithNeighbour(Flat):
    between = Neighbour


class WithLayerNorm(Flat):
    between = staticmethod(lambda: nn.LayerNorm(16))


class WithDropout(Flat):
    between = nn.Dropout


class WithFunctionalDropout(Flat):
    between = FunctionalDropout


class WithOwnSpectralNorm(Flat):
    between = OwnSpectralNorm


class WithOldSpectralNorm(Flat):
    between = staticmethod(lambda: nn.utils.spectral_norm(nn.Linear(16, 16)))


def mine(component, **options):
    return TrialConfig(architecture=f"{__name__}:{component.__name__}", noise_dim=8, **options)


@pytest.mark.parametrize(
    "component", [Plain, WithLayerNorm, WithDropout, WithFunctionalDropout, WithOwnSpectralNorm]
)
def test_images_share_a_batch_if_their_logits_do_not_depend_on_each_other(component):
    before = torch.get_rng_state()
    assert has_independent_rows(mine(component), SHAPE, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("config", [mine(Plain, spectral_norm=True), mine(WithOldSpectralNorm)], ids=str)
def test_spectral_norm_alone_does_not_make_logits_depend_on_each_other(config):
    assert has_independent_rows(config, SHAPE, torch.device("cpu"))


@pytest.mark.parametrize(
    "component",
    [
        Radford,
        WithBatchNorm,
        WithMinibatchStd,
        WithHiddenMinibatchStd,
        WithDroppedMinibatchStd,
        WithNeighbour,
    ],
)
def test_images_have_a_batch_each_if_their_logits_depend_on_each_other(component):
    for options in ({}, {"spectral_norm": True}):
        assert not has_independent_rows(mine(component, **options), SHAPE, torch.device("cpu"))


@pytest.mark.parametrize("name", architectures.names())
def test_every_architecture_declares_what_is_found(name):
    declared = vars(architectures.get(name))["independent_rows"]
    assert found_independent(TrialConfig(architecture=name), SHAPE, torch.device("cpu")) == declared


class Heir(DCGAN):
    discriminator = staticmethod(Radford.discriminator)


def test_a_subclass_does_not_inherit_the_declaration():
    assert not has_independent_rows(mine(Heir), SHAPE, torch.device("cpu"))


class Wrong(Radford):
    independent_rows = True


def test_a_wrong_declaration_is_refused():
    with pytest.raises(ContractError, match=r"Wrong': it declares independent_rows = True, but .* depend"):
        check_contract(mine(Wrong), SHAPE)


def test_batch_normalization_in_both_networks_is_accepted():
    check_contract(mine(Radford, spectral_norm=True, penalty="r1"), SHAPE)


def by_hand(trainer, config, batches):
    """Train copies of the trainer's networks with a pass for real and a pass for generated images."""
    generator, discriminator = deepcopy(trainer.generator), deepcopy(trainer.discriminator)
    d_adam, g_adam = (
        torch.optim.Adam(network.parameters(), lr=config.lr, betas=(config.beta1, config.beta2))
        for network in (discriminator, generator)
    )
    loss, penalty = losses.get(config.loss), penalties.get(config.penalty)
    for real, noise in batches:
        fake = generator(noise)
        d_loss = loss.discriminator(discriminator(real), discriminator(fake.detach()))
        smoothness = penalty(discriminator, real, fake.detach(), None)
        d_adam.zero_grad()
        (d_loss if smoothness is None else d_loss + config.penalty_weight * smoothness).backward()
        d_adam.step()
        real_logits = discriminator(real) if loss.generator_uses_real else None
        g_adam.zero_grad()
        loss.generator(real_logits, discriminator(fake)).backward()
        g_adam.step()
    return generator, discriminator


@pytest.mark.parametrize(
    ("component", "options"),
    [
        (Radford, {"loss": "hinge"}),
        (Radford, {"loss": "bce"}),
        (Radford, {"loss": "lsgan", "penalty": "r1"}),
        (WithMinibatchStd, {"loss": "relativistic", "penalty": "r1"}),
    ],
)
def test_twenty_steps_equal_separate_passes_by_hand(digits, component, options):
    config = mine(component, **options)
    trainer = Trainer(config, digits.image_shape, dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    batches = [
        (
            normalize(digits.train[torch.randint(4000, (16,), generator=rng)]).double(),
            torch.rand(16, 8, generator=rng, dtype=torch.float64) * 2 - 1,
        )
        for _ in range(20)
    ]
    networks = by_hand(trainer, config, batches)
    for batch in batches:
        trainer.step(*batch)
    for ours, theirs in zip((trainer.generator, trainer.discriminator), networks, strict=True):
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=1e-5)


class Joint(Radford):
    """The same networks, which get real and generated images in one batch."""

    independent_rows = True


def test_batch_normalization_learns_from_a_batch_each_on_three_seeds(digits, evaluator):
    """With one batch for both, the generator collapses: its fid is above 2,100 on each seed."""
    options = {"loss": "hinge", "lr": 1e-3, "batch_size": 32, "steps": 150, "report_every": 150}
    options |= {"eval_samples": 1000, "final_samples": 128, "precision": "fp32"}

    def fids(component):
        configs = [mine(component, seed=seed, **options) for seed in range(3)]
        return [next(train(config, digits, evaluator)).metrics["fid"] for config in configs]

    assert max(fids(Radford)) < 1500 < 2000 < min(fids(Joint))
