"""Run real MLflow servers on loopback, with stores copied from one blank database."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import monotonic, sleep

from sweeps.tracking.dashboard import answers
from sweeps.tracking.store import Store, open_store


@cache
def _blank():
    """Return a database with MLflow's tables; making them takes seconds."""
    folder = Path(tempfile.mkdtemp(prefix="gan-sweep-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    open_store(Store.beside(folder), folder)
    return folder / "mlflow.db"


def make_tables(file):
    """Copy MLflow's tables to a new store, unless it exists; return its file."""
    file.exists() or shutil.copy(_blank(), file)
    return file


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(folder, port, *options, **settings):
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{make_tables(folder / 'server.db')}", "--workers", "1"),
        *("--artifacts-destination", str(folder / "served")),
        *options,
    ]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        command,
        env=os.environ | quiet | settings,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: answers(port))
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def wait_until(is_true, at_most_s=60):
    end = monotonic() + at_most_s
    while not is_true():
        assert monotonic() < end
        sleep(0.1)
