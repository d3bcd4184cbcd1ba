"""Sweeps whose trials share a GPU; on a CPU, Ray's logical GPUs stand in for real ones."""

from itertools import combinations
from unittest.mock import patch

import pytest
import torch

import sweeps
from sweeps.driver import session
from sweeps.record.reading import read_ledger
from tests.gpu.devices import on_each_device
from tests.gpu.meeting import MeetingTrainable

PAIR = """\
import torch
from torch import nn

from gan_core.architectures import Architecture


class TooLarge(nn.Module):
    def forward(self, noise):
        if {device!r} == "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 PiB")
        return torch.empty(2**50, device=noise.device)


class Pair(Architecture):
    @staticmethod
    def generator(config, image_shape):
        first = TooLarge() if config.noise_dim == 7 else nn.Identity()
        layers = nn.Linear(config.noise_dim, 784), nn.Tanh(), nn.Unflatten(1, image_shape)
        return nn.Sequential(first, *layers)

    @staticmethod
    def discriminator(config, image_shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 1))
"""

SPEC = """\
name: shared
method: grid
retries: 1
parameters:
  architecture: {{value: "on_a_gpu:Pair"}}
  noise_dim: {{values: {noise_dims}}}
  steps: {{value: {steps}}}
  report_every: {{value: {report_every}}}
  batch_size: {{value: 16}}
  eval_samples: {{value: 128}}
  final_samples: {{value: 128}}
early_terminate: {{type: none}}
confirm: null
resources: {{cpu: 1, gpu: {gpu}}}
"""


def trials_of(folder, monkeypatch, device, gpu, names, noise_dims):
    """Run a sweep of a user's component on the named GPUs; a trial with noise_dim 7 is too large for them."""
    (folder / "on_a_gpu.py").write_text(PAIR.format(device=device), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    text = SPEC.format(gpu=gpu, noise_dims=noise_dims, steps=40, report_every=20)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    with patch.object(session, "GanTrainable", MeetingTrainable):
        sweep = sweeps.run(folder / "spec.yaml", results=folder, allow_imports=True, quiet=True)
    return sweep, read_ledger("shared", folder)


def assert_only_the_large_trial_failed(sweep):
    trials = sweep.trials.set_index("noise_dim")
    assert trials.loc[7, "status"] == "crashed"
    assert trials.loc[7, "reason"].startswith("GpuOutOfMemory: the GPU had too little memory for the trial")
    assert trials.loc[7, "retries"] == 1
    assert trials.drop(7)["status"].unique().tolist() == ["completed"]


def spans_by_gpu(record):
    """Return when each trial that reported began to report and ended, by its GPU."""
    spans = {}
    for trial in record.trials:
        for place in trial["places"]:
            (gpu,) = place["gpus"]
            spans.setdefault(gpu, []).append((place["at"], trial["ended_at"]))
    return spans


def overlaps(spans):
    return [(a, b) for a, b in combinations(sorted(spans), 2) if b[0] < a[1]]


@on_each_device()
def test_two_trials_share_one_gpu_and_one_that_is_too_large_fails_by_name(tmp_path, monkeypatch, device):
    names = "0" if device == "cuda" else "MIG-a"
    sweep, record = trials_of(tmp_path, monkeypatch, device, 0.5, names, [6, 7, 8])
    assert_only_the_large_trial_failed(sweep)
    assert len(spans_by_gpu(record)) == 1
    assert overlaps([(trial["started_at"], trial["ended_at"]) for trial in record.trials])


@on_each_device(slow_on_cpu=True)
def test_each_of_two_gpus_has_one_trial_at_a_time(tmp_path, monkeypatch, device):
    if device == "cuda" and torch.cuda.device_count() < 2:
        pytest.skip("torch sees a single GPU")
    names = "0,1" if device == "cuda" else "MIG-a,MIG-b"
    _, record = trials_of(tmp_path, monkeypatch, device, 1, names, [6, 8])
    by_gpu = spans_by_gpu(record)
    assert len(by_gpu) == 2
    assert not any(overlaps(spans) for spans in by_gpu.values())
