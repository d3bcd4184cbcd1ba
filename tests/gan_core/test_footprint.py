import pytest
import torch

from gan_core import Trainer, TrialConfig
from gan_core.footprint import _probe, training_bytes
from gan_core.trainer import GENERATION_BATCH

SHAPE = (1, 16, 16)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"architecture": "dcgan", "ema_decay": 0.9},
        {"penalty": "gradient-penalty", "d_steps": 2, "spectral_norm": True, "noise_dim": 5},
    ],
    ids=str,
)
def test_the_extrapolated_peak_is_that_of_the_large_batch(options):
    config = TrialConfig(batch_size=100, **options)
    (in_steps, _), (_, in_samples) = (_probe(config, SHAPE, n) for n in (100, GENERATION_BATCH))
    assert training_bytes(config, SHAPE) == pytest.approx(max(*in_steps, *in_samples))


def test_a_captured_step_keeps_its_memory_while_samples_are_drawn():
    config = TrialConfig(batch_size=100)
    (in_steps, _), (before, in_samples) = (_probe(config, SHAPE, n) for n in (100, GENERATION_BATCH))
    captured = training_bytes(config.model_copy(update={"cuda_graphs": "auto"}), SHAPE)
    assert captured == pytest.approx(max(in_steps) + max(in_samples) - before[-1], rel=0.02)
    assert captured > training_bytes(config, SHAPE)


def test_a_training_needs_its_weights_gradients_and_optimizer_states():
    trainer = Trainer(TrialConfig(), SHAPE)
    weights = [
        weight.nbytes for each in (trainer.generator, trainer.discriminator) for weight in each.parameters()
    ]
    assert 4 * sum(weights) < training_bytes(TrialConfig(batch_size=2), SHAPE) < 6 * sum(weights)


def test_a_measurement_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    training_bytes(TrialConfig(), SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
