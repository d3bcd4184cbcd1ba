"""A real MLflow server on loopback."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from time import monotonic, sleep

from sweeps.tracking.dashboard import _answers


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(folder, port, *options, **settings):
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--workers", "1"),
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
            wait_until(lambda: _answers(port))
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def wait_until(is_true, at_most_s=60):
    end = monotonic() + at_most_s
    while not is_true():
        assert monotonic() < end
        sleep(0.1)
