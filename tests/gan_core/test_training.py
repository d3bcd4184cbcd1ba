from copy import deepcopy

import pytest
import torch

from gan_core import Trainer, TrainingDiverged, TrialConfig, train
from gan_core.images import to_unit_range
from gan_core.training import sample_noise
from tests.gan_core.seed_loop import SeedTrainer

QUICK = {"steps": 5, "report_every": 2, "batch_size": 16, "eval_samples": 128}


@pytest.mark.parametrize(
    ("architecture", "loss", "steps", "batch_size"),
    [
        ("mlp", "bce", 200, 8),
        ("mlp", "lsgan", 200, 8),
        ("dcgan", "bce", 60, 16),  # rounding grows fast through batch normalisation: 2e-11 after 60 steps
    ],
)
def test_the_step_is_the_seeds(digits, architecture, loss, steps, batch_size):
    trainer = Trainer(
        TrialConfig(architecture=architecture, loss=loss), digits.image_shape, dtype=torch.float64
    )
    seed = SeedTrainer(deepcopy(trainer.generator), deepcopy(trainer.discriminator), loss)
    rng = torch.Generator().manual_seed(1)
    for _ in range(steps):
        batch = torch.randint(len(digits.train), (batch_size,), generator=rng)
        real = to_unit_range(digits.train[batch]).double()
        noise = torch.rand(batch_size, 96, generator=rng, dtype=torch.float64) * 2 - 1
        ours, theirs = trainer.step(real, noise), seed.step(real, noise)
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
    for mine, seeds in ((trainer.generator, seed.generator), (trainer.discriminator, seed.discriminator)):
        for ours, theirs in zip(mine.parameters(), seeds.parameters(), strict=True):
            assert (ours - theirs).norm() <= 1e-9 * theirs.norm()


def test_one_seed_gives_one_result_and_another_seed_another(digits, evaluator):
    first, again, other = (
        list(train(TrialConfig(**QUICK, seed=seed), digits, evaluator)) for seed in (3, 3, 4)
    )
    assert [_exact(report) for report in first] == [_exact(report) for report in again]
    assert all(torch.equal(a.samples, b.samples) for a, b in zip(first, again, strict=True))
    assert [_exact(report) for report in first] != [_exact(report) for report in other]


def _exact(report):
    return {name: value for name, value in report.metrics.items() if name != "images_per_s"}


def test_reports_come_every_so_many_steps_and_after_the_last(digits, evaluator):
    reports = list(train(TrialConfig(**QUICK), digits, evaluator))
    assert [report.step for report in reports] == [2, 4, 5]
    assert reports[0].metrics.keys() == {"d_loss", "g_loss", "images_per_s", "fid"}
    assert reports[0].samples.shape == (64, 1, 28, 28)
    assert reports[0].samples.dtype == torch.uint8


def test_training_learns(digits, evaluator):
    config = TrialConfig(lr=1e-3, beta1=0.0, batch_size=32, steps=400, report_every=400, eval_samples=500)
    (report,) = train(config, digits, evaluator)
    untrained = Trainer(config, digits.image_shape).generate(sample_noise(config))
    assert report.metrics["fid"] < 0.75 * evaluator(untrained)["fid"]


def test_a_loss_that_is_not_finite_stops_before_the_update(digits):
    trainer = Trainer(TrialConfig(), digits.image_shape)
    before = deepcopy(trainer.discriminator.state_dict())
    real = torch.full((16, 1, 28, 28), float("nan"))
    with pytest.raises(TrainingDiverged, match="d_loss is nan at step 1"):
        trainer.step(real, torch.zeros(16, 96))
    torch.testing.assert_close(trainer.discriminator.state_dict(), before, rtol=0, atol=0)


def test_a_learning_rate_that_is_far_too_high_diverges(digits, evaluator):
    config = TrialConfig(loss="lsgan", lr=1e10, steps=20, report_every=20, batch_size=16)
    with pytest.raises(TrainingDiverged):
        list(train(config, digits, evaluator))


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_sample_noise_is_one_bank_for_all_dimensions(noise):
    large, small = (sample_noise(TrialConfig(noise=noise, noise_dim=dim)) for dim in (256, 16))
    assert torch.equal(small, large[:, :16])
    assert large.shape == (64, 256)
    assert (large.abs().max() <= 1) == (noise == "uniform")
    assert large.mean().abs() < 0.05
    assert large.std() == pytest.approx({"uniform": 3**-0.5, "normal": 1}[noise], rel=0.05)


def test_the_average_follows_the_generator_and_is_what_is_sampled(digits):
    config = TrialConfig(ema_decay=0.5, noise_dim=4)
    trainer = Trainer(config, digits.image_shape)
    trainer.step(torch.rand(8, *digits.image_shape), torch.rand(8, 4))
    expected = [weight.detach().clone() for weight in trainer.generator.parameters()]
    for _ in range(3):
        trainer.step(torch.rand(8, *digits.image_shape), torch.rand(8, 4))
        for average, weight in zip(expected, trainer.generator.parameters(), strict=True):
            average.lerp_(weight.detach(), 0.5)
    torch.testing.assert_close([*trainer.sampler.parameters()], expected)
    assert trainer.sampler is not trainer.generator


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
