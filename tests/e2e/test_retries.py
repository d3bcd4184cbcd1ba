"""Workers are killed while they train on real digits."""

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
    """Kill the workers among a process's descendants, and return their number."""
    killed = 0
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if "Trainable" in " ".join(child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)
                killed += 1
    return killed


def run_killing(workplace, name, at_reports, *arguments):
    """Run a sweep, and kill its workers at each number of reports; return the exit code and stderr."""
    command = [COMMAND, "spec.yaml", "--name", name, *map(str, arguments)]
    with subprocess.Popen(command, cwd=workplace, stderr=subprocess.PIPE, text=True) as process:
        for reports in at_reports:
            while n_reports(workplace, name) < reports:
                assert process.poll() is None
                time.sleep(0.02)
            while not kill_workers(process.pid):
                assert process.poll() is None
        _, stderr = process.communicate(timeout=200)
    return process.returncode, stderr


@pytest.mark.slow
def test_a_trial_ends_like_an_unbroken_one_after_its_worker_was_killed_twice(workplace):
    done = gan_sweep("spec.yaml", "--quiet", cwd=workplace)
    assert done.returncode == 0, done.stderr
    code, stderr = run_killing(workplace, "killed", (2, 4))
    assert code == 0, stderr
    assert stderr.count("WorkerDied: it was killed, ran out of memory, or crashed; retry") == 2
    sweep = sweeps.load("killed", workplace / "results")
    assert sweep.trials["retries"].sum() == 2
    assert "retries" in sweep.rank().columns
    assert board(workplace, "killed")[1] == board(workplace, "whole")[1]
    whole = sweeps.load("whole", workplace / "results")
    scores = ["status", "fid", "step", "samples"]
    assert sweep.rank()[scores].equals(whole.rank()[scores])


@pytest.mark.slow
def test_a_trial_fails_after_its_last_retry_and_the_sweep_continues(workplace):
    options = ("--set", "retries=0", "--trials", 2, "--strict")
    code, stderr = run_killing(workplace, "failing", (1,), *options)
    assert code == 3, stderr
    sweep = sweeps.load("failing", workplace / "results")
    assert sweep.trials["status"].tolist().count("crashed") == 1
    assert len(sweep.trials) == 2
    reason = sweep.trials.set_index("status").loc["crashed", "reason"]
    assert reason == "WorkerDied: it was killed, ran out of memory, or crashed"
