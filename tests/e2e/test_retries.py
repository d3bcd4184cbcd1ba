"""Trials whose workers are killed, on real digits."""

import os
import signal
import subprocess
import time
from contextlib import suppress

import psutil
import pytest

import sweeps
from tests.e2e.commands import COMMAND, board, gan_sweep, n_reports, workplace_in

SPEC = """\
name: whole
trials: 2
parameters:
  loss: {values: [bce, lsgan]}
  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  steps: 40
  report_every: 10
  batch_size: 32
  eval_samples: 200
  final_samples: 200
early_terminate: {type: asha, min_iter: 1, eta: 2}
checkpoint_every: 0s
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    spec = SPEC + f"resources: {{cpu: {os.cpu_count()}}}\n"
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return folder


def kill_workers(pid):
    """Kill what trains trials among the descendants of a process, and return how many."""
    killed = 0
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if "Trainable" in " ".join(child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)
                killed += 1
    return killed


def run_killing(workplace, name, at_reports, *arguments):
    """Run a sweep and kill its workers each time that it has so many reports; return what it printed."""
    command = [COMMAND, "spec.yaml", "--name", name, *map(str, arguments)]
    with subprocess.Popen(command, cwd=workplace, stderr=subprocess.PIPE, text=True) as process:
        for reports in at_reports:
            while n_reports(workplace, name) < reports:
                assert process.poll() is None
                time.sleep(0.02)
            while not kill_workers(process.pid):
                assert process.poll() is None
        _, told = process.communicate(timeout=200)
    return process.returncode, told


def test_a_trial_whose_worker_is_killed_twice_ends_as_if_nothing_had_happened(workplace):
    done = gan_sweep("spec.yaml", "--quiet", cwd=workplace)
    assert done.returncode == 0, done.stderr
    code, told = run_killing(workplace, "killed", (2, 4))
    assert code == 0, told
    assert told.count("WorkerDied: it was killed, ran out of memory, or crashed; retry") == 2
    sweep = sweeps.load("killed", workplace / "results")
    assert sweep.trials["retries"].sum() == 2
    assert "retries" in sweep.rank().columns
    assert board(workplace, "killed")[1] == board(workplace, "whole")[1]
    whole = sweeps.load("whole", workplace / "results")
    scores = ["status", "fid", "step", "samples"]
    assert sweep.rank()[scores].equals(whole.rank()[scores])


@pytest.mark.slow
def test_a_trial_that_dies_too_often_has_failed_and_the_sweep_goes_on(workplace):
    options = ("--set", "retries=0", "--trials", 2)
    code, told = run_killing(workplace, "failing", (1,), *options)
    assert code == 3, told
    sweep = sweeps.load("failing", workplace / "results")
    assert sweep.trials["status"].tolist().count("crashed") == 1
    assert len(sweep.trials) == 2
    reason = sweep.trials.set_index("status").loc["crashed", "reason"]
    assert reason == "WorkerDied: it was killed, ran out of memory, or crashed"
