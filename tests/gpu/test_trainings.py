"""Every component trains, reports, checkpoints, resumes and scores on a GPU, and on a CPU."""

from math import isfinite

import pytest
import torch

from gan_core import Trainer, TrialConfig, train
from gan_core.architectures import architectures
from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.footprint import training_bytes
from gan_core.generator import generator_bytes, load_generator
from gan_core.hardware import hardware
from gan_core.losses import losses
from gan_core.penalties import penalties
from tests.gpu.devices import NEEDS_GPU, on_each_device

QUICK = {"steps": 4, "report_every": 2, "batch_size": 8, "eval_samples": 128, "final_samples": 128}
OTHER_GPU = {"name": "NVIDIA V100 (compute capability 7.0)", "precision": "bf16"}
GPU_RNG_BYTES = 16


def trained_and_resumed(config, digits, evaluator, device, checkpoint):
    """Train once without a break and once with one, and return the last report of both."""
    *_, unbroken = train(config, digits, evaluator, device)
    first = next(train(config, digits, evaluator, device, checkpoint, checkpoint_every_s=0))
    again, *_, resumed = train(config, digits, evaluator, device, checkpoint, on_damage=pytest.fail)
    assert torch.equal(again.samples, first.samples)
    return unbroken, resumed


def assert_trains_everywhere(config, digits, evaluator, device, checkpoint):
    unbroken, resumed = trained_and_resumed(config, digits, evaluator, device, checkpoint)
    assert resumed.step == unbroken.step == config.steps
    assert resumed.samples.device.type == "cpu"
    assert resumed.samples.shape == (64, *digits.image_shape)
    assert all(map(isfinite, [*resumed.metrics.values(), resumed.final["fid"], resumed.final["copies"]]))
    for name in ("d_loss", "g_loss", "fid"):
        assert resumed.metrics[name] == pytest.approx(unbroken.metrics[name], rel=0.05, abs=0.01)


@on_each_device(slow_on_cpu=True)
@pytest.mark.parametrize("penalty", penalties.names())
@pytest.mark.parametrize("loss", losses.names())
@pytest.mark.parametrize("architecture", architectures.names())
def test_every_combination_trains_resumes_and_scores(
    tmp_path, digits, evaluator_on, device, architecture, loss, penalty
):
    config = TrialConfig(architecture=architecture, loss=loss, penalty=penalty, **QUICK)
    assert_trains_everywhere(config, digits, evaluator_on(device), device, tmp_path / "checkpoint")


@on_each_device()
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp32", "loss": "hinge", "penalty": "r1"},
        {"precision": "bf16", "spectral_norm": True, "ema_decay": 0.9, "d_steps": 2},
        {"architecture": "dcgan", "batch_size": 4, "penalty": "r1", "noise": "normal", "ema_decay": 0.9},
        {"cuda_graphs": "auto", "steps": 10, "report_every": 5, "ema_decay": 0.9, "penalty": "dragan"},
    ],
    ids=str,
)
def test_every_option_trains_resumes_and_scores(tmp_path, digits, evaluator_on, device, options):
    config = TrialConfig(**QUICK | options)
    assert_trains_everywhere(config, digits, evaluator_on(device), device, tmp_path / "checkpoint")


@on_each_device()
def test_a_kept_generator_of_each_device_draws_on_the_cpu(digits, evaluator_on, tmp_path, device):
    config = TrialConfig(**QUICK)
    *_, last = train(config, digits, evaluator_on(device), device)
    file = tmp_path / "generator.safetensors"
    file.write_bytes(generator_bytes(config, digits.image_shape, last.weights))
    assert load_generator(file).sample(4).shape == (4, *digits.image_shape)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize("architecture", architectures.names())
def test_the_estimated_memory_is_about_what_a_gpu_needs(digits, device, architecture):
    config = TrialConfig(architecture=architecture, precision="fp32", batch_size=256)
    trainer = Trainer(config, digits.image_shape, device)
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        trainer.step(
            torch.zeros(256, *digits.image_shape, device=device),
            torch.zeros(256, config.noise_dim, device=device),
        )
    ratio = training_bytes(config, digits.image_shape) / torch.cuda.max_memory_allocated()
    assert 0.6 < ratio < 1.6


def resumed_on(device, config, digits, evaluator, checkpoint):
    """Resume on a device, and return the last report and the messages."""
    messages = []
    first, *_, last = train(config, digits, evaluator, device, checkpoint, on_damage=messages.append)
    assert (first.step, last.step) == (2, 4)
    assert all(map(isfinite, last.final.values()))
    return messages


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize("penalty", ["none", "gradient-penalty", "dragan"])
def test_a_checkpoint_of_a_gpu_resumes_on_a_cpu_and_the_other_way_round(
    tmp_path, digits, evaluator_on, device, penalty
):
    config = TrialConfig(penalty=penalty, ema_decay=0.9, **QUICK)
    for source, target in ((device, "cpu"), ("cpu", device)):
        checkpoint = tmp_path / source
        next(train(config, digits, evaluator_on(source), source, checkpoint, checkpoint_every_s=0))
        (message,) = resumed_on(target, config, digits, evaluator_on(target), checkpoint)
        assert "training resumes on" in message


@on_each_device()
@pytest.mark.parametrize("penalty", ["none", "gradient-penalty"])
def test_a_checkpoint_of_another_gpu_resumes_with_a_message(tmp_path, digits, evaluator_on, device, penalty):
    """The random states of another kind of device, of a GPU or a CPU, have another size."""
    config, checkpoint = TrialConfig(penalty=penalty, **QUICK), tmp_path / "checkpoint"
    next(train(config, digits, evaluator_on(device), device, checkpoint, checkpoint_every_s=0))
    state = load_checkpoint(checkpoint)
    other = torch.zeros(GPU_RNG_BYTES if device == "cpu" else 5056, dtype=torch.uint8)
    parts = state["loop"]
    parts["noise_rng"] = parts["trainer"]["penalty_rng"] = other
    parts["batches"]["randomness"]["cuda"] = [other] if device == "cpu" else []
    state["hardware"], state["identity"]["precision"] = OTHER_GPU, "bf16"
    results = []
    for name in ("first", "second"):
        save_checkpoint(tmp_path / name, state)
        results.append(resumed_on(device, config, digits, evaluator_on(device), tmp_path / name))
    assert results[0] == results[1]
    (message,) = results[0]
    here = hardware(torch.device(device), config)
    assert message.startswith(
        "the checkpoint was written on NVIDIA V100 (compute capability 7.0) in bf16; training resumes on"
        f" {here['name']} in {here['precision']}, and its"
    )


@on_each_device()
def test_a_checkpoint_of_an_earlier_version_resumes_without_a_message(tmp_path, digits, evaluator_on, device):
    config, checkpoint = TrialConfig(**QUICK), tmp_path / "checkpoint"
    next(train(config, digits, evaluator_on(device), device, checkpoint, checkpoint_every_s=0))
    state = load_checkpoint(checkpoint)
    del state["hardware"]
    save_checkpoint(checkpoint, state)
    assert resumed_on(device, config, digits, evaluator_on(device), checkpoint) == []
