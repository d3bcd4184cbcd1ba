from copy import deepcopy

import pytest
import torch

from gan_core import Evaluator, Trainer, TrainingDiverged, TrialConfig, load_dataset, train
from gan_core.images import to_unit_range
from gan_core.training import sample_noise
from tests.gan_core.seed_loop import SeedTrainer

STEPS = 30
QUICK = {"steps": 5, "report_every": 2, "batch_size": 16, "eval_samples": 128}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("mnist-5k")


@pytest.fixture(scope="module")
def evaluator(digits):
    return Evaluator(digits)


@pytest.mark.parametrize("loss", ["bce", "lsgan"])
def test_the_step_is_the_seeds(digits, loss):
    trainer = Trainer(TrialConfig(loss=loss), digits.image_shape, dtype=torch.float64)
    seed = SeedTrainer(deepcopy(trainer.generator), deepcopy(trainer.discriminator), loss)
    rng = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        batch = torch.randint(len(digits.train), (32,), generator=rng)
        real = to_unit_range(digits.train[batch]).double()
        noise = torch.rand(32, 96, generator=rng, dtype=torch.float64) * 2 - 1
        ours, theirs = trainer.step(real, noise), seed.step(real, noise)
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
    for mine, seeds in ((trainer.generator, seed.generator), (trainer.discriminator, seed.discriminator)):
        torch.testing.assert_close(dict(mine.state_dict()), dict(seeds.state_dict()), rtol=1e-9, atol=1e-12)


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
    untrained = Trainer(config, digits.image_shape).generate(sample_noise(config.noise_dim))
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


def test_sample_noise_is_one_bank_for_all_dimensions():
    large, small = sample_noise(256), sample_noise(16)
    assert torch.equal(small, large[:, :16])
    assert large.shape == (64, 256)
    assert large.abs().max() <= 1


def test_building_a_trainer_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    Trainer(TrialConfig(seed=9), (1, 28, 28))
    assert torch.equal(torch.get_rng_state(), before)
