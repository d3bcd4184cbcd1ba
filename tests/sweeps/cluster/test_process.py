"""What a sweep leaves of the process that runs it: nothing."""

import subprocess
import sys

import pytest

from tests.sweeps.specs import write

SPEC = """\
name: tiny
trials: 1
parameters:
  steps: 10
  report_every: 10
  batch_size: 16
  eval_samples: 200
  final_samples: 200
"""
PROGRAM = """\
import logging
import os
import sys

import ray
from ray._private import ray_constants
from ray._private.node import Node
from ray.air._internal import usage
from ray.tune.execution import class_cache

import sweeps

PATCHED = [
    (ray_constants, "ENABLE_RAY_CLUSTER"),
    (Node, "start_log_monitor"),
    (Node, "start_monitor"),
    (usage, "tag_callbacks"),
    (class_cache, "DEFAULT_ENV_VARS"),
    (class_cache, "ENV_VARS_TO_PROPAGATE"),
]


def state():
    values = [getattr(owner, name) for owner, name in PATCHED]
    return dict(os.environ), logging.getLogger("ray").level, list(map(repr, values))


@ray.remote(num_cpus=0)
class Counter:
    count = 0

    def add(self):
        self.count += 1
        return self.count


if __name__ == "__main__":
    logging.getLogger("ray").setLevel(logging.WARNING)
    before = state()
    sweep = sweeps.run("spec.yaml", quiet=True)
    assert list(sweep.trials["status"]) == ["completed"], sweep.trials.to_string()
    assert not ray.is_initialized()
    assert state() == before, (before, state())

    ray.init(num_cpus=2, include_dashboard=False)
    counter = Counter.remote()
    assert ray.get(counter.add.remote()) == 1
    before, address = state(), ray.get_runtime_context().gcs_address
    try:
        sweeps.run("spec.yaml", address="10.0.0.1:6379", quiet=True)
    except sweeps.SweepError as error:
        assert f"this process has initialised Ray at {address}" in str(error)
    sweep = sweeps.run("spec.yaml", quiet=True)
    assert list(sweep.trials["status"]) == ["completed"], sweep.trials.to_string()
    assert ray.get(counter.add.remote()) == 2
    assert ray.get_runtime_context().gcs_address == address
    assert state() == before, (before, state())
"""


def test_a_sweep_leaves_the_processes_environment_and_its_ray_as_they_were(tmp_path):
    write(tmp_path, SPEC)
    program = write(tmp_path, PROGRAM, "program.py")
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr)
