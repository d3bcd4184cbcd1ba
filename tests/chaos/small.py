"""A small sweep, one trial at a time, to be broken many times."""

import os
import signal
import subprocess
from contextlib import suppress

import psutil

import sweeps
from sweeps.errors import SweepError, UnknownSweepError
from sweeps.record.status import Status
from tests.e2e.commands import COMMAND, board, gan_sweep

SPEC = f"""\
name: whole
trials: 3
parameters:
  loss: {{values: [bce, lsgan]}}
  lr: {{distribution: log_uniform_values, min: 1e-4, max: 1e-2}}
  steps: 40
  report_every: 10
  batch_size: 32
  eval_samples: 200
  final_samples: 200
early_terminate: {{type: asha, min_iter: 1, eta: 2}}
checkpoint_every: 0s
resources: {{cpu: {os.cpu_count()}}}
"""

PATIENCE_S = 240


class Workplace:
    """A folder with a search space, an unbroken sweep of it, and sweeps to break.

    Args:
        folder: The folder.
    """

    def __init__(self, folder):
        self.folder = folder
        (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
        done = gan_sweep("spec.yaml", "--quiet", cwd=folder)
        assert done.returncode == 0, done.stderr

    def start(self, *arguments, **environment):
        """Start a command, without its standard output."""
        return subprocess.Popen(
            [COMMAND, *arguments, "--quiet"],
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, name, *more):
        """Return the command that starts or resumes a sweep."""
        exists = (self.folder / "results" / name / "ledger.db").exists()
        return ("resume", name, *more) if exists else ("spec.yaml", "--name", name, *more)

    def finish(self, name, *more):
        """Run or resume a sweep to its end; return the exit code and the messages."""
        done = gan_sweep(*self.command(name, *more), "--quiet", cwd=self.folder)
        return done.returncode, done.stderr

    def problems(self, name, process):
        """Wait for the end of a command; return the problems of its sweep."""
        try:
            _, messages = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            kill(process, workers_too=True)
            return [f"{name} did not end"]
        if process.returncode:
            return [f"{name} ended with {process.returncode}: {messages[-300:]}"]
        return self.differences(name)

    def differences(self, name):
        """Return the differences between a broken sweep and the unbroken one."""
        loaded = sweeps.load(name, self.folder / "results")
        states = loaded.trials["status"].tolist()
        if states != sweeps.load("whole", self.folder / "results").trials["status"].tolist():
            return [f"{name} ended with {states}"]
        ours, theirs = (board(self.folder, each) for each in (name, "whole"))
        return [] if ours[1] == theirs[1] else [f"the history of {name} differs"]

    def ended(self, name):
        """Return the seconds of each trial that has ended."""
        with suppress(UnknownSweepError, SweepError):
            frame = sweeps.load(name, self.folder / "results").trials
            has_ended = ~frame["status"].isin([Status.RUNNING, Status.INTERRUPTED])
            return dict(frame[has_ended][["trial_id", "seconds"]].itertuples(index=False))
        return {}


def kill(process, *, workers_too):
    """Kill a process and, if asked, the processes that it started."""
    children = psutil.Process(process.pid).children(recursive=True)
    for each in (process, *(children if workers_too else ())):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
    process.communicate()


def kill_trainers(process):
    """Kill the workers among a process's descendants; return whether there were any."""
    killed = False
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if "Trainable" in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)
                    killed = True
    return killed
