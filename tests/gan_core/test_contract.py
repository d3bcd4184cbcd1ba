"""Every combination of registered components, present and future, must pass the contract."""

import random
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.nn.utils.parametrizations import spectral_norm

from gan_core import ContractError, Trainer, TrialConfig, check_contract
from gan_core.architectures import Architecture, architectures
from gan_core.architectures.mlp import MLP
from gan_core.errors import ImportPathError
from gan_core.losses import losses
from gan_core.losses.hinge import Hinge
from gan_core.penalties import penalties

SHAPE = (1, 16, 16)


@pytest.mark.parametrize(
    ("architecture", "loss", "penalty"),
    [*product(architectures.names(), losses.names(), penalties.names())],
)
def test_every_combination_trains(architecture, loss, penalty):
    check_contract(TrialConfig(architecture=architecture, loss=loss, penalty=penalty, noise_dim=5), SHAPE)


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
    check_contract(TrialConfig(architecture=architecture, noise_dim=5, **options), SHAPE)


@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 48)])
def test_every_architecture_takes_every_shape(architecture, shape):
    config = TrialConfig(architecture=architecture, noise_dim=5)
    losses_ = Trainer(config, shape).step(torch.rand(8, *shape) * 2 - 1, torch.rand(8, 5) * 2 - 1)
    assert all(loss.isfinite() for loss in losses_.values())


class Small(Architecture):
    """A valid pair; each broken one below differs from it in one thing."""

    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(nn.Linear(config.noise_dim, 256), nn.Tanh(), nn.Unflatten(1, image_shape))

    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 1))


class Cropped(Small):
    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(nn.Linear(config.noise_dim, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))


class InHalf(Small):
    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(Small.generator(config, image_shape), Half())


class Half(nn.Module):
    def forward(self, images):
        return images.half()


class FlatLogits(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 1), nn.Flatten(0))


class PatchesAsImages(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Conv2d(1, 1, 8, 8), nn.Flatten(0), nn.Unflatten(0, (-1, 1)))


class WithSigmoid(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(Small.discriminator(config, image_shape), nn.Sigmoid())


class NormalizedWithSigmoid(Small):
    @staticmethod
    def discriminator(config, image_shape):
        last = spectral_norm(nn.Conv2d(1, 1, 16))
        return nn.Sequential(last, nn.Sigmoid(), nn.Flatten())


class AddsNoise(nn.Module):
    def __init__(self, device=None):
        super().__init__()
        self.device = device

    def forward(self, images):
        return images + 0.1 * torch.randn(images.shape, device=self.device or images.device)


class NoiseOnCpu(Small):
    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(Small.generator(config, image_shape), AddsNoise("cpu"))


class Mask(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = torch.ones(256, 256)

    def forward(self, pixels):
        return pixels @ self.mask


class MaskOnCpu(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), Mask(), nn.Linear(256, 1))


class BatchStatistics(Small):
    @staticmethod
    def generator(config, image_shape):
        normalized = nn.BatchNorm2d(1, track_running_stats=False)
        return nn.Sequential(Small.generator(config, image_shape), normalized)


class RandomConstant(Small):
    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(Small.generator(config, image_shape), TimesConstant())


class TimesConstant(nn.Module):
    def __init__(self):
        super().__init__()
        self.constant = torch.rand(()).item()

    def forward(self, images):
        return images * self.constant


class MisfitLayers(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(100, 1))


class DrawnElsewhere(Small):
    @staticmethod
    def generator(config, image_shape):
        network = Small.generator(config, image_shape)
        nn.init.constant_(network[0].bias, random.random())  # noqa: S311
        return network


class Idle(Small):
    @staticmethod
    def discriminator(config, image_shape):
        network = Small.discriminator(config, image_shape)
        network.idle = nn.Identity()
        network.idle.weight = nn.Parameter(torch.zeros(2, 2))
        return network


class NotModules(Small):
    @staticmethod
    def generator(config, image_shape):
        return lambda noise: noise


class NoSingleImages(Small):
    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(Small.generator(config, image_shape), OnlyInTraining())


class OnlyInTraining(nn.Module):
    def forward(self, images):
        return images if self.training else images[:, :, :4]


class Forgetful(Small):
    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(*Small.generator(config, image_shape), FadesWithEachCall())


class FadesWithEachCall(nn.Module):
    calls = 0

    def forward(self, images):
        self.calls += 1
        return images / self.calls


class NotANumber(Hinge):
    @staticmethod
    def generator(real_logits, fake_logits):
        return (fake_logits - fake_logits.detach()).mean() / 0.0


class LabelsOnCpu(Hinge):
    @staticmethod
    def discriminator(real_logits, fake_logits):
        return mse_loss(real_logits, torch.ones(len(real_logits), 1)) + fake_logits.square().mean()


class PerImage(Hinge):
    @staticmethod
    def discriminator(real_logits, fake_logits):
        return fake_logits - real_logits


class Detached(Hinge):
    @staticmethod
    def generator(real_logits, fake_logits):
        return -fake_logits.detach().mean()


class Still(Hinge):
    @staticmethod
    def discriminator(real_logits, fake_logits):
        return 0 * (real_logits + fake_logits).mean()


class EdgyRoot(Hinge):
    @staticmethod
    def generator(real_logits, fake_logits):
        return (fake_logits - fake_logits).sum().sqrt()


class Fading(Hinge):
    @staticmethod
    def discriminator(real_logits, fake_logits):
        Fading.calls += 1
        return Hinge.discriminator(real_logits, fake_logits) * (float("inf") if Fading.calls > 5 else 1)


def no_penalty(discriminator, real, fake, rng):
    return None


def penalty_of_many(discriminator, real, fake, rng):
    return discriminator(real).squeeze(1)


def penalty_on_cpu(discriminator, real, fake, rng):
    return discriminator(real + torch.rand(real.shape, generator=rng)).square().mean()


def penalty_that_fails(discriminator, real, fake, rng):
    return real.images


class Abstract(Architecture):
    @staticmethod
    def generator(config, image_shape):
        return MLP.generator(config, image_shape)


def mine(component):
    return f"{__name__}:{component.__name__}"


class LinearImages(Small):
    """Images beyond [-1, 1]."""

    @staticmethod
    def generator(config, image_shape):
        layer = nn.Linear(config.noise_dim, 256)
        nn.init.normal_(layer.weight, std=5)
        return nn.Sequential(layer, nn.Unflatten(1, image_shape))


class LegacySpectralNorm(Small):
    """``deepcopy`` fails for this generator after its first forward pass in training."""

    @staticmethod
    def generator(config, image_shape):
        network = Small.generator(config, image_shape)
        nn.utils.spectral_norm(network[0])
        return network

    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.utils.spectral_norm(nn.Linear(256, 8)), nn.Linear(8, 1))


class FrozenFeatures(Small):
    @staticmethod
    def discriminator(config, image_shape):
        features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        return nn.Sequential(features.eval().requires_grad_(False), nn.Linear(4 * 14 * 14, 1))


class Patches(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Conv2d(1, 4, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 1, 2))


class Heads(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 3))


class ZeroLogits(Small):
    """Logits that start at 0, in [0, 1]."""

    @staticmethod
    def discriminator(config, image_shape):
        network = Small.discriminator(config, image_shape)
        nn.init.zeros_(network[1].weight)
        nn.init.constant_(network[1].bias, 0.5)
        return network


class NormalizedLogits(Small):
    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 1), nn.BatchNorm1d(1), nn.PReLU())


class OwnMatrix(Small):
    """A discriminator without a layer of torch, which looks at the values of its input."""

    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), Matrix())


class Matrix(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(256, 1))

    def forward(self, pixels):
        return pixels @ self.matrix if pixels.isfinite().all() else pixels


class Noisy(Small):
    """A generator that draws noise in eval mode too."""

    @staticmethod
    def generator(config, image_shape):
        return nn.Sequential(Small.generator(config, image_shape), AddsNoise())


@pytest.mark.parametrize(
    "options",
    [{"precision": "bf16", "ema_decay": 0.9}, {"spectral_norm": True, "penalty": "gradient-penalty"}],
    ids=str,
)
@pytest.mark.parametrize(
    "component",
    [
        LinearImages,
        LegacySpectralNorm,
        FrozenFeatures,
        Patches,
        Heads,
        NormalizedLogits,
        OwnMatrix,
        Noisy,
    ],
)
def test_what_networks_of_today_do_is_accepted(component, options):
    check_contract(TrialConfig(architecture=mine(component), noise_dim=5, **options), SHAPE)


def test_logits_that_start_in_0_to_1_are_not_taken_for_a_sigmoids():
    check_contract(TrialConfig(architecture=mine(ZeroLogits), noise_dim=5), SHAPE)


def test_a_good_component_of_ones_own_passes_and_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    check_contract(
        TrialConfig(architecture=mine(Small), penalty=mine(no_penalty), lr=1e10, noise_dim=5), SHAPE
    )
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (
            Cropped,
            r"generator's output must be torch\.float32 \(8, 1, 16, 16\), got torch\.float32 \(8, 1, 8, 8\)",
        ),
        (InHalf, r"must be torch\.float32 \(8, 1, 16, 16\), got torch\.float16"),
        (
            FlatLogits,
            r"output for 8 images must have shape \(8, 1\), \(8, k\) or \(8, 1, h, w\), got \(8,\): return",
        ),
        (PatchesAsImages, r"output for 8 images must have shape .*, got \(32, 1\)"),
        (WithSigmoid, r"the discriminator's output is always in \[0, 1\], because it ends in a sigmoid"),
        (NormalizedWithSigmoid, r"the discriminator's output is always in \[0, 1\], because it ends in"),
        (NoiseOnCpu, "the generator creates a tensor on the CPU, which fails on a GPU: create it with dev"),
        (MaskOnCpu, "the discriminator creates a tensor on the CPU, which fails on a GPU"),
        (BatchStatistics, "an image depends on the other noise of its batch: use running statistics"),
        (RandomConstant, "a generator that is built from the trained weights returns different images: keep"),
        (MisfitLayers, "the discriminator raised RuntimeError: .*mat1 and mat2"),
        (DrawnElsewhere, "two generators built from one seed differ: draw initial weights with torch"),
        (Idle, "the discriminator's output does not depend on its parameter idle.weight"),
        (NotModules, "building its networks raised AttributeError: 'function' object"),
        (Forgetful, "after loading a checkpoint, a step updates the generator's 0.weight diff"),
        (NoSingleImages, r"must be torch\.float32 \(8, 1, 16, 16\), got torch\.float32 \(8, 1, 4, 16\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_architecture_is_refused_with_its_fault(component, message):
    with pytest.raises(ContractError, match=message) as caught:
        check_contract(TrialConfig(architecture=mine(component), noise_dim=5), SHAPE)
    assert component.__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (NotANumber, "NotANumber': the generator's loss must be finite"),
        (
            PerImage,
            r"the discriminator's loss must be torch\.float32 \(\), got torch\.float32 \(8, 1\)",
        ),
        (Detached, "Detached': the generator's loss has no gradient: compute it from the logits"),
        (Still, "Still' and penalty 'none': 20 training steps do not change the discriminator's 1.weight"),
        (EdgyRoot, "EdgyRoot' and penalty 'none': the gradient of the generator's parameter 0.weight is not"),
        (Fading, r"training raised TrainingDiverged: d_loss is inf at step \d"),
        (LabelsOnCpu, "LabelsOnCpu': the discriminator's loss creates a tensor on the CPU"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_loss_is_refused_with_its_fault(component, message, monkeypatch):
    monkeypatch.setattr(Fading, "calls", 0, raising=False)
    with pytest.raises(ContractError, match=message):
        check_contract(TrialConfig(architecture=mine(Small), loss=mine(component), noise_dim=5), SHAPE)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (penalty_of_many, r"penalty_of_many' must be torch\.float32 \(\), got torch\.float32 \(8,\)"),
        (penalty_that_fails, "penalty_that_fails' raised AttributeError: 'Tensor' object"),
        (penalty_on_cpu, "penalty_on_cpu' creates a tensor on the CPU, which fails on a GPU"),
    ],
)
def test_a_broken_penalty_is_refused_with_its_fault(component, message):
    with pytest.raises(ContractError, match=message):
        check_contract(TrialConfig(architecture=mine(Small), penalty=mine(component), noise_dim=5), SHAPE)


def test_an_abstract_class_is_refused_before_it_is_built():
    with pytest.raises(ImportPathError, match="missing: discriminator"):
        architectures.check(mine(Abstract))
