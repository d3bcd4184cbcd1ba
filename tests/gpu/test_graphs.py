"""On a GPU, captured steps equal plain ones, also through checkpoints; else training continues without."""

import pytest
import torch

from gan_core import Trainer, TrialConfig, train
from gan_core.architectures import architectures
from gan_core.losses import losses
from gan_core.noise import draw_noise, rng_for
from gan_core.penalties import penalties
from tests.gan_core.small_layers import Reads, pair_with
from tests.gpu.devices import NEEDS_GPU, on_each_device

SHAPE, STEPS = (1, 28, 28), 12
PAIRS = [*((loss, "none") for loss in losses.names()), *(("bce", penalty) for penalty in penalties.names())]
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}
"""Some kernels of a GPU add in another order each time."""


def metrics_of(trainer, config, device):
    """Take steps, and return the metrics of each."""
    rng, n = rng_for("test", device=device), 16 * config.d_steps
    found = []
    for _ in range(STEPS):
        real = torch.rand(n, *SHAPE, generator=rng, device=device) * 2 - 1
        found.append(torch.stack([*trainer.step(real, draw_noise(config, n, rng)).values()]))
    return torch.stack(found)


def plain_and_captured(config, device):
    configs = [config.model_copy(update={"cuda_graphs": each}) for each in ("off", "auto")]
    trainers = [Trainer(each, SHAPE, device) for each in configs]
    found = []
    for each, trainer in zip(configs, trainers, strict=True):
        torch.manual_seed(0)
        found.append(metrics_of(trainer, each, device))
        trainer.check()
    return *found, *trainers


@on_each_device(slow_on_cpu=True)
@pytest.mark.parametrize(("loss", "penalty"), PAIRS)
@pytest.mark.parametrize("architecture", architectures.names())
def test_captured_steps_equal_plain_ones(device, architecture, loss, penalty):
    config = TrialConfig(architecture=architecture, loss=loss, penalty=penalty, precision="fp32")
    plain, captured, _, trainer = plain_and_captured(config, device)
    assert trainer.fallback is None
    torch.testing.assert_close(captured, plain, **TOLERANCE)


@on_each_device()
@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bf16", "ema_decay": 0.9, "lr_d": 1e-3},
        {"precision": "fp32", "d_steps": 2, "spectral_norm": True, "penalty": "dragan"},
    ],
    ids=str,
)
def test_captured_steps_with_options_equal_plain_ones(device, options):
    plain, captured, one, other = plain_and_captured(TrialConfig(**options), device)
    assert other.fallback is None
    torch.testing.assert_close(captured, plain, rtol=0.02, atol=1e-3)
    assert torch.equal(*(trainer.state_dict()["penalty_rng"] for trainer in (one, other)))
    for weight, expected in zip(
        other.sampling_generator.parameters(), one.sampling_generator.parameters(), strict=True
    ):
        torch.testing.assert_close(weight, expected, rtol=0.02, atol=1e-3)


@on_each_device()
@pytest.mark.parametrize("first", ["off", "auto"])
def test_a_training_resumes_with_and_without_graphs(tmp_path, digits, evaluator_on, device, first):
    shared = {"steps": 16, "report_every": 8, "batch_size": 8, "eval_samples": 128, "final_samples": 128}
    before, after = (
        TrialConfig(penalty="dragan", ema_decay=0.9, precision="fp32", cuda_graphs=each, **shared)
        for each in (first, "auto" if first == "off" else "off")
    )
    *_, unbroken = train(before, digits, evaluator_on(device), device)
    checkpoint = tmp_path / "checkpoint"
    next(train(before, digits, evaluator_on(device), device, checkpoint, checkpoint_every_s=0))
    *_, resumed = train(after, digits, evaluator_on(device), device, checkpoint, on_damage=pytest.fail)
    for name in ("d_loss", "g_loss"):
        assert resumed.metrics[name] == pytest.approx(unbroken.metrics[name], rel=0.02)


class CopiesFromCpu(torch.nn.Module):
    def forward(self, images):
        return images * torch.tensor([2.0]).to(images.device)


ReadsPair, CopiesPair = map(pair_with, (Reads, CopiesFromCpu))


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize(
    ("name", "file"), [("ReadsPair", "small_layers.py"), ("CopiesPair", "test_graphs.py")]
)
def test_a_component_that_waits_for_the_gpu_trains_without_a_graph(device, name, file):
    config = TrialConfig(architecture=f"{__name__}:{name}", penalty="dragan", precision="fp32")
    plain, captured, _, trainer = plain_and_captured(config, device)
    assert trainer.fallback.startswith(f"cuda_graphs: {file}, line ")
    torch.testing.assert_close(captured, plain, **TOLERANCE)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=NEEDS_GPU)])
def test_after_a_capture_that_fails_training_continues(device, monkeypatch):
    """Without the rehearsal's look for waits, the capture itself fails."""
    monkeypatch.setattr("gan_core.graphs.CudaGraph.rehearse", lambda _graph, function: function() or [])
    config = TrialConfig(architecture=f"{__name__}:ReadsPair", penalty="dragan", precision="fp32")
    plain, captured, _, trainer = plain_and_captured(config, device)
    assert f"architecture '{__name__}:ReadsPair' raised" in trainer.fallback
    torch.testing.assert_close(captured, plain, **TOLERANCE)
    torch.rand(3, device=device)
