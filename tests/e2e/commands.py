"""Run the real command, and read the sweeps that it leaves."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

import sweeps
from sweeps.errors import UnknownSweepError
from sweeps.record.status import Status
from tests.servers import make_tables

COMMAND = Path(sys.executable).with_name("gan-sweep")


def workplace_in(tmp_path_factory, **specs):
    """Return a folder with search-space files, by name, and MLflow's tables, which take seconds to make."""
    folder = tmp_path_factory.mktemp("workplace")
    for name, text in specs.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "results").mkdir()
    make_tables(folder / "results" / "mlflow.db")
    return folder


def gan_sweep(*arguments, cwd, **environment):
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def board(workplace, name):
    """Return a sweep's leaderboard and history as JSON, without the sweep's name and without times."""
    sweep = sweeps.load(name, workplace / "results")
    rank, history = sweep.rank(), sweep.history.drop(columns="images_per_s", errors="ignore")
    for frame in (rank, history):
        frame["trial_id"] = frame["trial_id"].str[-4:]
    return rank.to_json().replace(name, ""), history.to_json()


def killed_after(reports, name, *arguments, workplace):
    """Run a command until a trial runs and the sweep has ``reports`` reports; kill it with its workers."""
    process = subprocess.Popen([COMMAND, *map(str, arguments), "--quiet"], cwd=workplace)
    deadline = time.monotonic() + 200
    while n_reports(workplace, name) < reports or not _is_training(workplace, name):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    for each in (process, *children):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
    process.wait()


def _is_training(workplace, name):
    return sweeps.load(name, workplace / "results").count(Status.RUNNING) > 0


def n_reports(workplace, name):
    with suppress(UnknownSweepError):
        return len(sweeps.load(name, workplace / "results").history)
    return 0
