"""Steps from static buffers equal the plain ones, and what cannot be captured trains without a graph."""

import random
from math import nan

import numpy as np
import pytest
import torch

from gan_core import Trainer, TrainingDiverged, TrialConfig, train
from gan_core.architectures import architectures
from gan_core.checkpoint import load_checkpoint
from gan_core.losses import losses
from gan_core.noise import draw_noise, rng_for
from gan_core.penalties import penalties
from tests.gan_core.eager_graph import eager_graphs
from tests.gan_core.small_layers import Reads, pair_with, raise_in_a_capture

SHAPE, STEPS = (1, 16, 16), 5
REPLAYED = [*["rehearse"] * 3, "capture", *["replay"] * 2]


def assert_equal(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal(one[name], other[name])
    elif isinstance(one, (list, tuple)):
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        assert one == other


def take_steps(trainer, config, n_steps=STEPS, rng=None):
    """Take steps, and return a copy of the metrics of each."""
    rng, n = rng or rng_for("test"), 4 * config.d_steps
    found = []
    for _ in range(n_steps):
        metrics = trainer.step(torch.rand(n, *SHAPE, generator=rng) * 2 - 1, draw_noise(config, n, rng))
        found.append({name: value.clone() for name, value in metrics.items()})
    return found


def assert_replays_equal(**options):
    plain = TrialConfig(noise_dim=8, **options)
    captured = plain.model_copy(update={"cuda_graphs": "auto"})
    one = Trainer(plain, SHAPE)
    with eager_graphs() as graphs:
        other = Trainer(captured, SHAPE)
    torch.manual_seed(0)
    expected = take_steps(one, plain)
    torch.manual_seed(0)
    found = take_steps(other, captured)
    assert graphs[0].calls == REPLAYED
    assert other.fallback is None
    assert_equal(found, expected)
    assert_equal(other.state_dict(), one.state_dict())
    assert other.discriminator_won == one.discriminator_won


@pytest.mark.parametrize("penalty", penalties.names())
@pytest.mark.parametrize("loss", losses.names())
@pytest.mark.parametrize("architecture", architectures.names())
def test_replayed_steps_equal_plain_ones_for_every_combination(architecture, loss, penalty):
    assert_replays_equal(architecture=architecture, loss=loss, penalty=penalty)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize(
    "options",
    [
        {"ema_decay": 0.9},
        {"ema_decay": 0.2, "d_steps": 3, "penalty": "dragan"},
        {"spectral_norm": True, "lr_d": 1e-3, "noise": "normal"},
    ],
    ids=str,
)
def test_replayed_steps_equal_plain_ones_for_every_option(architecture, precision, options):
    assert_replays_equal(architecture=architecture, precision=precision, **options)


def test_steps_are_not_captured_by_default_nor_without_a_gpu():
    for config in (TrialConfig(), TrialConfig(cuda_graphs="auto")):
        trainer = Trainer(config, SHAPE)
        take_steps(trainer, config, 4)
        assert trainer.fallback is None


def test_a_batch_of_another_size_is_trained_on_between_replays():
    config = TrialConfig(cuda_graphs="auto", noise_dim=8)
    plain = Trainer(config, SHAPE)
    with eager_graphs() as graphs:
        captured = Trainer(config, SHAPE)
    for trainer in (plain, captured):
        rng = rng_for("test")
        take_steps(trainer, config, 4, rng)
        trainer.step(torch.zeros(7, *SHAPE), draw_noise(config, 7, rng))
        take_steps(trainer, config, 1, rng)
    assert graphs[0].calls == REPLAYED
    assert_equal(captured.state_dict(), plain.state_dict())


def test_a_loaded_state_and_its_new_learning_rate_are_captured_anew():
    """As with population-based training: a trainer of another config takes the state over."""
    first = TrialConfig(cuda_graphs="auto", noise_dim=8, ema_decay=0.9)
    second = first.model_copy(update={"lr": 1e-2, "beta1": 0.1, "penalty": "dragan"})
    states = []
    for wanted in ("plain", "captured"):
        with eager_graphs() as graphs:
            donor, heir = (
                Trainer(
                    each.model_copy(update={"cuda_graphs": "off" if wanted == "plain" else "auto"}), SHAPE
                )
                for each in (first, second)
            )
            take_steps(donor, first)
            take_steps(heir, second, 4)
            heir.load_state_dict(donor.state_dict())
            take_steps(heir, second, rng=rng_for("later"))
        states.append(heir.state_dict())
    assert [graph.calls for graph in graphs] == [REPLAYED, REPLAYED[:-1], REPLAYED]
    assert_equal(*states)


def test_a_divergence_names_the_step_of_a_replay():
    config = TrialConfig(cuda_graphs="auto", noise_dim=8)
    with eager_graphs():
        trainer = Trainer(config, SHAPE)
    take_steps(trainer, config, 4)
    with pytest.raises(TrainingDiverged, match="d_loss is nan at step 5"):
        trainer.step(torch.full((4, *SHAPE), nan), torch.zeros(4, 8))


class Rebinds(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("level", torch.zeros(()))

    def forward(self, images):
        self.level = 0.9 * self.level + 0.1 * images.detach().mean()
        return images - self.level


class DrawsFromNumpy(torch.nn.Module):
    def forward(self, images):
        return images + np.random.rand() * 1e-3


class DrawsFromPython(torch.nn.Module):
    def forward(self, images):
        return images + random.random() * 1e-3  # noqa: S311


class DrawsFromTorch(torch.nn.Module):
    def forward(self, images):
        return images + torch.randn_like(images)


ReadsPair, RebindsPair, NumpyPair, PythonPair, TorchPair = map(
    pair_with, (Reads, Rebinds, DrawsFromNumpy, DrawsFromPython, DrawsFromTorch)
)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ReadsPair", "aten::_local_scalar_dense, waits for the GPU"),
        (
            "RebindsPair",
            f"architecture '{__name__}:RebindsPair' replaces the tensor discriminator.0.level in a step",
        ),
        ("NumpyPair", "a component draws random numbers on the CPU"),
        ("PythonPair", "a component draws random numbers on the CPU"),
    ],
)
def test_a_component_that_a_replay_would_not_repeat_trains_without_one(name, reason):
    config = TrialConfig(architecture=f"{__name__}:{name}", noise_dim=8, cuda_graphs="auto", ema_decay=0.9)
    states = []
    for cuda_graphs in ("off", "auto"):
        random.seed(0)
        np.random.seed(0)
        with eager_graphs() as graphs:
            trainer = Trainer(config.model_copy(update={"cuda_graphs": cuda_graphs}), SHAPE)
        take_steps(trainer, config)
        states.append(trainer.state_dict())
    assert graphs[0].calls == ["rehearse"] * 3
    assert trainer.fallback.startswith(f"cuda_graphs: {reason}")
    assert trainer.fallback.endswith(". Training continues without a CUDA graph")
    assert_equal(*states)


def test_a_component_that_draws_with_torch_is_replayed():
    assert_replays_equal(architecture=f"{__name__}:TorchPair")


def raise_at_the_end_of_a_capture():
    """As PyTorch does: the error of the end of a capture has that of the component as its context."""
    try:
        raise_in_a_capture()
    except RuntimeError:
        raise RuntimeError("capture invalidated")  # noqa: B904


@pytest.mark.parametrize(
    ("architecture", "named"),
    [
        (f"{__name__}:TorchPair", f"architecture '{__name__}:TorchPair'"),
        ("mlp", "architecture 'mlp', loss 'bce', penalty 'none'"),
    ],
)
def test_a_capture_that_fails_names_the_component_and_training_continues(architecture, named):
    config = TrialConfig(architecture=architecture, noise_dim=8, cuda_graphs="auto")
    states = []
    for cuda_graphs in ("off", "auto"):
        torch.manual_seed(0)
        with eager_graphs(raise_at_the_end_of_a_capture) as graphs:
            trainer = Trainer(config.model_copy(update={"cuda_graphs": cuda_graphs}), SHAPE)
        take_steps(trainer, config)
        states.append(trainer.state_dict())
    assert graphs[0].calls == REPLAYED[:4]
    assert trainer.fallback == (
        f"cuda_graphs: {named} raised RuntimeError: operation not permitted when stream is capturing."
        " Training continues without a CUDA graph"
    )
    assert_equal(*states)


QUICK = {"steps": 12, "report_every": 6, "batch_size": 8, "eval_samples": 128, "final_samples": 128}


def last_state(config, digits, evaluator, checkpoint, *, breaks, messages=None):
    """Train, with a break after the first report if wanted, and return the loop's state at the end."""
    on_damage = pytest.fail if messages is None else messages.append
    if breaks:
        next(train(breaks, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0))
    *_, last = train(
        config, digits, evaluator, checkpoint=checkpoint, checkpoint_every_s=0, on_damage=on_damage
    )
    return {**load_checkpoint(checkpoint)["loop"], "samples": last.samples, "final": last.final}


@pytest.mark.parametrize("first", ["off", "auto"])
def test_a_training_resumes_with_and_without_graphs_bit_for_bit(tmp_path, digits, evaluator, first):
    plain = TrialConfig(**QUICK, ema_decay=0.9, penalty="gradient-penalty", hflip=True)
    captured = plain.model_copy(update={"cuda_graphs": "auto"})
    expected = last_state(plain, digits, evaluator, tmp_path / "plain", breaks=None)
    configs = {"off": plain, "auto": captured}
    with eager_graphs() as graphs:
        second = configs["auto" if first == "off" else "off"]
        found = last_state(second, digits, evaluator, tmp_path / "other", breaks=configs[first])
        unbroken = last_state(captured, digits, evaluator, tmp_path / "unbroken", breaks=None)
        again = last_state(captured, digits, evaluator, tmp_path / "again", breaks=captured)
    assert sum("replay" in graph.calls for graph in graphs) == 4
    for state in (found, unbroken, again):
        assert_equal(state, expected)


def test_a_training_reports_once_that_it_continues_without_a_graph(tmp_path, digits, evaluator):
    config = TrialConfig(architecture=f"{__name__}:RebindsPair", cuda_graphs="auto", **QUICK)
    messages = []
    with eager_graphs():
        last_state(config, digits, evaluator, tmp_path / "checkpoint", breaks=None, messages=messages)
    (message,) = messages
    assert message.startswith("cuda_graphs: ")
