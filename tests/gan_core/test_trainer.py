from contextlib import contextmanager, nullcontext
from copy import deepcopy
from math import nan

import pytest
import torch

from gan_core import Trainer, TrainingDiverged, TrialConfig
from gan_core.architectures import Architecture, architectures
from gan_core.images import normalize
from gan_core.precision import float32_precision, has_fast_bf16
from tests.gan_core.tutorial_loop import TutorialTrainer


@pytest.mark.parametrize(("architecture", "loss"), [("mlp", "bce"), ("mlp", "lsgan"), ("dcgan", "bce")])
def test_the_step_is_the_seeds(digits, architecture, loss):
    """Batch normalisation and Adam double a rounding error every few steps: the DCGANs meet every tenth."""
    trainer = Trainer(
        TrialConfig(architecture=architecture, loss=loss), digits.image_shape, dtype=torch.float64
    )
    seed = TutorialTrainer(architecture, loss, torch.float64)
    seed.copy_weights(trainer)
    rng = torch.Generator().manual_seed(1)
    for step in range(200):
        if architecture == "dcgan" and step % 10 == 0:
            state = deepcopy(trainer.state_dict())
            seed.copy_weights(trainer)
            seed.g_optimizer.load_state_dict(state["g_optimizer"])
            seed.d_optimizer.load_state_dict(state["d_optimizer"])
        batch = torch.randint(len(digits.train), (6,), generator=rng)
        real = normalize(digits.train[batch]).double()
        noise = torch.rand(6, 96, generator=rng, dtype=torch.float64) * 2 - 1
        ours, theirs = trainer.step(real, noise), seed.step(real, noise)
        torch.testing.assert_close({name: ours[name] for name in theirs}, theirs, rtol=1e-9, atol=0)
        if step % 10 == 9:
            assert_equal_weights(trainer.generator, seed.generator)
            assert_equal_weights(trainer.discriminator, seed.discriminator)


def test_a_step_with_all_options_equals_its_definition(digits):
    """Two discriminator updates on batches of their own, with R1; the generator uses the last noise."""
    config = TrialConfig(
        loss="wasserstein", penalty="r1", penalty_weight=3.0, d_steps=2, lr_d=1e-3, beta1=0.2, noise_dim=4
    )
    trainer = Trainer(config, digits.image_shape, dtype=torch.float64)
    generator, discriminator = deepcopy(trainer.generator), deepcopy(trainer.discriminator)
    d_adam = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.2, 0.999))
    g_adam = torch.optim.Adam(generator.parameters(), lr=3e-4, betas=(0.2, 0.999))
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        real = normalize(digits.train[torch.randint(4000, (12,), generator=rng)]).double()
        noise = torch.randn(12, 4, generator=rng, dtype=torch.float64)
        metrics = trainer.step(real, noise)
        for images, z in zip(real.split(6), noise.split(6), strict=True):
            images = images.clone().requires_grad_()
            logits = discriminator(images)
            (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
            penalty = gradients.square().sum((1, 2, 3)).mean() / 2
            fake_logits = discriminator(generator(z).detach())
            d_loss = fake_logits.mean() - logits.mean()
            d_adam.zero_grad()
            (d_loss + 3.0 * penalty).backward()
            d_adam.step()
        g_loss = -discriminator(generator(noise[6:])).mean()
        d_norm = gradient_norm(discriminator)
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        expected = {
            "d_loss": d_loss,
            "g_loss": g_loss,
            "d_penalty": penalty,
            "d_logit_real": logits.mean(),
            "d_logit_fake": fake_logits.mean(),
            "d_grad_norm": d_norm,
            "g_grad_norm": gradient_norm(generator),
        }
        expected = {name: value.detach() for name, value in expected.items()}
        torch.testing.assert_close(metrics, expected, rtol=1e-9, atol=1e-12)
    assert_equal_weights(trainer.discriminator, discriminator)
    assert_equal_weights(trainer.generator, generator)


def gradient_norm(network):
    return torch.cat([weight.grad.flatten() for weight in network.parameters()]).norm()


def test_a_state_that_is_loaded_is_left_as_it_is(digits):
    trained, loaded = (Trainer(TrialConfig(noise_dim=4), digits.image_shape) for _ in range(2))
    batch = torch.rand(8, *digits.image_shape), torch.rand(8, 4)
    trained.step(*batch)
    state = trained.state_dict()
    before = deepcopy(state)
    loaded.load_state_dict(state)
    loaded.step(*batch)
    torch.testing.assert_close(state, before, rtol=0, atol=0)


def assert_equal_weights(ours, seeds):
    for mine, theirs in zip(ours.parameters(), seeds.parameters(), strict=True):
        assert (mine - theirs).norm() <= 1e-9 * theirs.norm()


def test_a_loss_that_is_not_finite_stops_before_the_update(digits):
    trainer = Trainer(TrialConfig(), digits.image_shape)
    before = deepcopy(trainer.discriminator.state_dict())
    real = torch.full((16, 1, 28, 28), float("nan"))
    with pytest.raises(TrainingDiverged, match="d_loss is nan at step 1"):
        trainer.step(real, torch.zeros(16, 96))
    torch.testing.assert_close(trainer.discriminator.state_dict(), before, rtol=0, atol=0)


def test_a_gradient_that_is_not_finite_stops_before_the_update(digits):
    trainer = Trainer(TrialConfig(), digits.image_shape)
    trainer.step(torch.rand(8, 1, 28, 28), torch.rand(8, 96))
    before = deepcopy(trainer.generator.state_dict())
    trainer.generator[0].weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingDiverged, match=r"g_gradient is (inf|nan) at step 2"):
        trainer.step(torch.rand(8, 1, 28, 28), torch.rand(8, 96))
    torch.testing.assert_close(trainer.generator.state_dict(), before, rtol=0, atol=0)


def test_without_synchronizing_a_divergence_is_raised_by_the_next_check(digits, monkeypatch):
    trainer = Trainer(TrialConfig(), digits.image_shape)
    monkeypatch.setattr(trainer, "check", lambda: None)
    noise, good, bad = torch.rand(8, 96), torch.rand(8, 1, 28, 28), torch.full((8, 1, 28, 28), float("nan"))
    trainer.step(good, noise)
    before = deepcopy(trainer.discriminator.state_dict()), deepcopy(trainer.generator.state_dict())
    for real in (bad, good, good):
        trainer.step(real, noise)
    after = trainer.discriminator.state_dict(), trainer.generator.state_dict()
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    monkeypatch.undo()
    with pytest.raises(TrainingDiverged, match="d_loss is nan at step 2"):
        trainer.check()


@pytest.mark.parametrize("decay", [0.25, 0.999])
def test_the_average_ramps_up_and_is_what_is_sampled(digits, decay):
    """The weights and the statistics of batch normalization have one average; counts are copied."""
    trainer = Trainer(TrialConfig(architecture="dcgan", ema_decay=decay, noise_dim=4), digits.image_shape)
    expected = deepcopy(trainer.generator.state_dict())
    for step in range(1, 5):
        trainer.step(torch.rand(8, *digits.image_shape), torch.rand(8, 4))
        for name, value in trainer.generator.state_dict().items():
            if value.is_floating_point():
                ramped = min(decay, (1 + step) / (10 + step))
                expected[name] = ramped * expected[name] + (1 - ramped) * value
            else:
                expected[name] = value.clone()
    torch.testing.assert_close(trainer.sampling_generator.state_dict(), expected)
    assert trainer.sampling_generator is not trainer.generator


def test_spectral_norm_bounds_every_layer_of_the_discriminator_and_none_of_the_generators(digits):
    trainer = Trainer(TrialConfig(spectral_norm=True), digits.image_shape)
    for _ in range(50):
        trainer.discriminator(torch.zeros(2, *digits.image_shape))
    norms = [
        torch.linalg.matrix_norm(layer.weight, 2).item()
        for layer in trainer.discriminator
        if hasattr(layer, "weight")
    ]
    assert norms == pytest.approx([1.0] * 3, rel=0.05)
    assert not any("parametrizations" in name for name, _ in trainer.generator.named_parameters())


def test_several_discriminator_steps_see_several_batches(digits):
    config = TrialConfig(d_steps=3, noise_dim=4)
    trainer, seen = Trainer(config, digits.image_shape), []
    trainer.discriminator.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    trainer.step(torch.rand(24, *digits.image_shape), torch.rand(24, 4))
    assert seen == [16, 16, 16, 8]


class Spare(Architecture):
    """The MLPs, with an unused parameter in the discriminator."""

    generator = staticmethod(architectures.get("mlp").generator)

    @staticmethod
    def discriminator(config, image_shape):
        network = architectures.get("mlp").discriminator(config, image_shape)
        network.register_parameter("spare", torch.nn.Parameter(torch.ones(3)))
        return network


def test_a_weight_without_a_gradient_is_left_alone(digits):
    trainer = Trainer(TrialConfig(architecture=f"{__name__}:Spare", noise_dim=4), digits.image_shape)
    trainer.step(torch.rand(8, *digits.image_shape), torch.rand(8, 4))
    assert torch.equal(trainer.discriminator.spare, torch.ones(3))


class Rating(torch.nn.Module):
    """Rates each image ``n`` times by its mean: from 0.5 less to 0.5 more."""

    def __init__(self, n):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, n))
        self.register_buffer("offsets", torch.linspace(-0.5, 0.5, n) if n > 1 else torch.zeros(1))

    def forward(self, images):
        return images.mean((1, 2, 3))[:, None] * self.weight + self.offsets


class OneRating(Spare):
    discriminator = staticmethod(lambda _config, _image_shape: Rating(1))


class SeveralRatings(Spare):
    discriminator = staticmethod(lambda _config, _image_shape: Rating(4))


def test_several_logits_of_an_image_count_as_their_mean(digits):
    """The Wasserstein loss is linear; real images are separated although single logits overlap."""
    options = {"loss": "wasserstein", "noise_dim": 4, "lr": 1e-9}
    one, several = (
        Trainer(TrialConfig(architecture=f"{__name__}:{name}", **options), digits.image_shape)
        for name in ("OneRating", "SeveralRatings")
    )
    batch = torch.full((8, *digits.image_shape), 0.5), torch.rand(8, 4)
    found = [trainer.step(*batch) for trainer in (one, several)]
    for name in ("d_loss", "g_loss", "d_logit_real", "d_logit_fake", "g_grad_norm"):
        torch.testing.assert_close(found[1][name], found[0][name])
    for trainer in (one, several):
        trainer.load_state_dict(trainer.state_dict() | {"largest_gradient": torch.tensor(1e9)})
        assert trainer.discriminator_won


class Loud(Spare):
    """A generator without Tanh, with images far beyond [-1, 1]."""

    @staticmethod
    def generator(config, image_shape):
        layer = torch.nn.Linear(config.noise_dim, 784)
        torch.nn.init.normal_(layer.weight, std=5)
        return torch.nn.Sequential(layer, torch.nn.Unflatten(1, image_shape))


def test_images_are_clamped_when_they_are_sampled_and_not_in_a_step(digits):
    trainer = Trainer(TrialConfig(architecture=f"{__name__}:Loud", noise_dim=4), digits.image_shape)
    noise = torch.rand(8, 4)
    raw = trainer.fake_images(noise)
    assert raw.abs().max() > 5
    assert torch.equal(trainer.generate(noise), raw.clamp(-1, 1))


def test_two_time_scales(digits):
    still = TrialConfig(lr_d=1e-12, noise_dim=4)
    trainer = Trainer(still, digits.image_shape)
    before = deepcopy(trainer.discriminator.state_dict())
    trainer.step(torch.rand(8, *digits.image_shape), torch.rand(8, 4))
    torch.testing.assert_close(trainer.discriminator.state_dict(), before, rtol=0, atol=1e-9)
    assert any((weight.grad != 0).any() for weight in trainer.generator.parameters())


def test_building_a_trainer_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    Trainer(TrialConfig(seed=9), (1, 28, 28))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("architecture", ["mlp", "dcgan"])
def test_bf16_follows_fp32(digits, architecture):
    fp32, bf16 = (
        Trainer(TrialConfig(architecture=architecture, precision=precision), digits.image_shape)
        for precision in ("fp32", "bf16")
    )
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        real = normalize(digits.train[torch.randint(4000, (16,), generator=rng)])
        noise = torch.rand(16, 96, generator=rng) * 2 - 1
        exact, rounded = fp32.step(real, noise), bf16.step(real, noise)
        assert rounded != exact or architecture == "mlp", "oneDNN may not round the matrices of an MLP"
        torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.02)
    assert {weight.dtype for weight in bf16.generator.parameters()} == {torch.float32}


@pytest.mark.parametrize(("pixel", "ends"), [(0.0, nullcontext()), (nan, pytest.raises(TrainingDiverged))])
def test_a_step_restores_the_matmul_precision_of_the_process(digits, monkeypatch, pixel, ends):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    trainer = Trainer(TrialConfig(precision="bf16"), digits.image_shape)
    before = torch.get_float32_matmul_precision()
    with ends:
        trainer.step(torch.full((8, 1, 28, 28), pixel), torch.zeros(8, 96))
    assert torch.get_float32_matmul_precision() == before == "highest"


@pytest.mark.parametrize("architecture", ["mlp", "dcgan"])
def test_the_last_layer_is_in_float32_in_bf16(digits, monkeypatch, architecture):
    """A bias of 1,000 cancels in the relativistic loss, unless logits are rounded to multiples of 4."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    config = TrialConfig(architecture=architecture, loss="relativistic", precision="bf16")
    batch, found = (torch.rand(16, 1, 28, 28), torch.rand(16, 96)), []
    for bias in (0.0, 1000.0):
        trainer = Trainer(config, digits.image_shape)
        torch.nn.init.constant_(trainer.discriminator[-1].bias, bias)
        settings = []
        trainer.discriminator[-1].weight.register_hook(
            lambda _gradient: settings.append(torch.get_float32_matmul_precision())  # noqa: B023
        )
        found.append(trainer.step(*batch)["d_loss"].item())
        assert settings == ["medium"]
    assert found[1] == pytest.approx(found[0], abs=1e-3)


class HeadFirst(torch.nn.Module):
    """Registers the last layer first."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(16, 1)
        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 16), torch.nn.ReLU())

    def forward(self, images):
        return self.head(self.body(images))


class HeadFirstPair(Spare):
    discriminator = staticmethod(lambda _config, _image_shape: HeadFirst())


def test_the_last_layer_is_the_one_that_runs_last(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    trainer = Trainer(TrialConfig(architecture=f"{__name__}:HeadFirstPair", precision="bf16"), (1, 28, 28))
    network = trainer.discriminator
    seen = {}
    network.body[1].register_forward_hook(lambda _layer, _inputs, output: seen.update(body=output.dtype))
    network.head.register_forward_hook(lambda _layer, _inputs, output: seen.update(head=output.dtype))
    trainer.step(torch.rand(8, 1, 28, 28), torch.rand(8, 96))
    assert seen == {"body": torch.bfloat16, "head": torch.float32}


def precision_in_step(device):
    """Return what float32 convolutions and matrices are multiplied in inside of a step in fp32."""
    parts = torch.backends
    is_gpu = device == "cuda"
    convolution, matmul = (
        (parts.cudnn.conv, parts.cuda.matmul) if is_gpu else (parts.mkldnn.conv, parts.mkldnn.matmul)
    )
    with float32_precision("fp32", torch.device(device)):
        return convolution.fp32_precision, matmul.fp32_precision


@contextmanager
def left_as_found(*parts):
    found = [part.fp32_precision for part in parts]
    yield
    for part, value in zip(parts, found, strict=True):
        part.fp32_precision = value


ROUNDED = {"tf32", "bf16"}


def test_fp32_is_exact_on_a_gpu_and_outside_of_a_step_the_process_has_its_own_setting():
    cudnn = torch.backends.cudnn
    with left_as_found(cudnn.conv, cudnn.rnn):
        for allowed in (True, False):
            cudnn.allow_tf32 = allowed
            assert not ROUNDED & {*precision_in_step("cuda")}
            assert cudnn.allow_tf32 == allowed
            with float32_precision("fp32", torch.device("cuda")):
                assert not cudnn.allow_tf32
        cudnn.allow_tf32 = True
        with float32_precision("fp32", torch.device("cpu")), float32_precision("bf16", torch.device("cpu")):
            assert cudnn.allow_tf32


@pytest.mark.parametrize(
    ("device", "part", "rounded"),
    [
        ("cuda", torch.backends, "tf32"),
        ("cuda", torch.backends.cuda.matmul, "tf32"),
        ("cuda", torch.backends.cudnn.conv, "tf32"),
        ("cpu", torch.backends, "bf16"),
        ("cpu", torch.backends.mkldnn.matmul, "bf16"),
        ("cpu", torch.backends.mkldnn.conv, "bf16"),
    ],
)
def test_fp32_is_exact_in_a_process_that_set_one_of_the_newer_settings(device, part, rounded):
    with left_as_found(part):
        part.fp32_precision = rounded
        assert not ROUNDED & {*precision_in_step(device)}
        assert part.fp32_precision == rounded
    assert {torch.backends.mkldnn.matmul.fp32_precision, torch.backends.mkldnn.conv.fp32_precision} <= {
        "none",
        "ieee",
    }


@pytest.fixture
def multiplied_in_bf16():
    """A process that has set float32 matrices to be multiplied in bfloat16."""
    multiplication = torch.backends.mkldnn.matmul
    before, multiplication.fp32_precision = multiplication.fp32_precision, "bf16"
    yield multiplication
    multiplication.fp32_precision = before


@pytest.mark.skipif(not has_fast_bf16(torch.device("cpu")), reason="this CPU has no fast bfloat16")
def test_fp32_is_exact_in_a_process_that_multiplies_in_bf16(digits, multiplied_in_bf16):
    config, batch = TrialConfig(precision="fp32"), (torch.rand(16, 1, 28, 28), torch.rand(16, 96))
    found = Trainer(config, digits.image_shape).step(*batch)
    assert multiplied_in_bf16.fp32_precision == "bf16"
    multiplied_in_bf16.fp32_precision = "ieee"
    assert Trainer(config, digits.image_shape).step(*batch) == found
    multiplied_in_bf16.fp32_precision = "bf16"


def test_auto_is_bf16_only_where_the_hardware_multiplies_it(digits, monkeypatch):
    def first_losses(precision):
        trainer = Trainer(TrialConfig(precision=precision), digits.image_shape)
        return trainer.step(torch.ones(8, 1, 28, 28), torch.ones(8, 96))

    for instruction, precision in {"amx_bf16": "bf16", "avx512_bf16": "bf16", "avx512_f": "fp32"}.items():
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda instruction=instruction: {instruction: True}
        )
        assert first_losses("auto") == first_losses(precision)
    assert first_losses("bf16") != first_losses("fp32")


@pytest.mark.parametrize(
    ("real", "noise", "message"),
    [
        (
            torch.zeros(4, 1, 28, 28),
            torch.zeros(4, 96),
            "real images must be a multiple of d_steps, 3; got 4",
        ),
        (torch.zeros(6, 1, 28, 28), torch.zeros(4, 96), r"must have shape \(6, 96\)"),
        (torch.zeros(6, 1, 28, 28), torch.zeros(6, 95), r"must have shape \(6, 96\)"),
        (
            torch.zeros(6, 1, 28, 28, dtype=torch.uint8),
            torch.zeros(6, 96),
            "images must have dtype torch.float32, got torch.uint8",
        ),
        (
            torch.zeros(6, 1, 28, 28),
            torch.zeros(6, 96).double(),
            "noise must have dtype torch.float32, got torch.float64",
        ),
        (torch.zeros(6, 784), torch.zeros(6, 96), r"must have shape \(6, 1, 28, 28\), got \(6, 784\)"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(real, noise, message):
    trainer = Trainer(TrialConfig(d_steps=3), (1, 28, 28))
    with pytest.raises(ValueError, match=message):
        trainer.step(real, noise)
