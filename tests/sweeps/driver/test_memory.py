"""The memory of a sweep's trials, which a preview estimates."""

from types import SimpleNamespace

import pytest
import torch

from gan_core.memory import CUDA_CONTEXT_BYTES
from sweeps.driver.memory import Room, largest_configs, memory_line, room
from sweeps.errors import SweepError
from sweeps.spec.reading import load_spec
from sweeps.spec.sections import Resources
from tests.sweeps.specs import write

SHAPE = (1, 28, 28)
SEARCHED = """\
name: large
trials: 3
parameters:
  architecture: {values: [mlp, dcgan]}
  penalty: {values: [none, r1]}
  batch_size: {values: [16, BATCH], when: {architecture: mlp}}
  noise_dim: {distribution: int_uniform, min: 2, max: 50}
  ema_decay: {distribution: uniform, min: 0.0, max: 0.9}
  loss: {values: [hinge, bce], probabilities: [0.4, 0.6]}
"""


def spec_of(tmp_path, batch_size):
    return load_spec(write(tmp_path, SEARCHED.replace("BATCH", str(batch_size))))


@pytest.fixture
def a_card(monkeypatch):
    """torch sees a GPU of 16 GB."""
    card = SimpleNamespace(name="NVIDIA T4", total_memory=16 * 10**9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: card)


def test_each_architecture_and_penalty_is_measured_with_the_largest_values(tmp_path):
    configs = largest_configs(spec_of(tmp_path, 256))
    assert [(config.architecture, config.penalty, config.batch_size) for config in configs] == [
        ("mlp", "none", 256),
        ("mlp", "r1", 256),
        ("dcgan", "none", 128),
        ("dcgan", "r1", 128),
    ]
    assert {(config.noise_dim, config.ema_decay) for config in configs} == {(50, 0.9)}


def test_a_preview_shows_the_memory_of_trials_and_of_their_machine(tmp_path):
    assert " MB for the networks of a trial, of " in memory_line(spec_of(tmp_path, 256), SHAPE)


@pytest.mark.parametrize(
    ("gpu", "n_bytes", "where"),
    [
        ("auto", 16 * 10**9 - CUDA_CONTEXT_BYTES, "NVIDIA T4"),
        (2, 16 * 10**9 - CUDA_CONTEXT_BYTES, "NVIDIA T4"),
        (0.25, 4 * 10**9 - CUDA_CONTEXT_BYTES, "its share of NVIDIA T4"),
    ],
)
def test_a_trial_has_its_share_of_a_gpu(a_card, gpu, n_bytes, where):
    found = room(Resources(gpu=gpu))
    assert (found.n_bytes, found.where) == (n_bytes, where)


def test_without_a_gpu_a_trial_has_the_memory_of_the_machine(a_card):
    assert room(Resources(gpu=0)).where == "this machine"


def test_a_trial_that_cannot_fit_is_refused(tmp_path, monkeypatch):
    small = Room(103 * 10**6, "its share of NVIDIA T4", "raise resources.gpu")
    monkeypatch.setattr("sweeps.driver.memory.room", lambda _resources: small)
    spec = spec_of(tmp_path, 65_536)
    message = (
        r"a trial with architecture mlp, penalty r1, batch_size 65536, noise_dim 50 needs about [\d,]+ MB of"
        r" memory, and its share of NVIDIA T4 has 103 MB: search smaller values, or raise resources.gpu"
    )
    with pytest.raises(SweepError, match=message):
        memory_line(spec, SHAPE)
