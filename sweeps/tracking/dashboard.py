"""MLflow's pages over the sweeps of a folder, on this machine alone."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import sleep

from sweeps.errors import SweepError
from sweeps.record.reading import read_ledger
from sweeps.tracking.store import Store
from sweeps.tracking.sync import experiment_link

PORT = 5000
HOST = "127.0.0.1"

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
}


def serve_dashboard(results: Path, name: str | None = None) -> int:
    """Serve MLflow's dashboard over ``results`` on loopback until SIGINT or SIGTERM; return an exit code.

    Args:
        results: Where sweeps are kept.
        name: The sweep whose trials the address leads to; by default all experiments.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: There is nothing to show, the sweep is tracked elsewhere, or the server does not start.
    """
    folder = None if name is None else _folder_tracked_here(results, name)
    if not (results / "mlflow.db").exists():
        raise SweepError(
            f"nothing to show in {results} yet: run a sweep first, or name its folder: --results DIR"
        )
    page = f"/{experiment_link(folder, Store.beside(results))}" if folder else ""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    port = _free_port()
    command = _command(results, port)
    with subprocess.Popen(command, env=os.environ | _QUIET, start_new_session=True) as server:  # noqa: S603
        try:
            while server.poll() is None and not answers(port):
                sleep(0.2)
            if server.poll() is not None:
                raise SweepError("MLflow's server did not start: its message is above")
            print(f"MLflow is at http://{HOST}:{port}{page} (Ctrl-C stops it)", file=sys.stderr)  # noqa: T201
            return server.wait()
        except KeyboardInterrupt:
            os.killpg(server.pid, signal.SIGTERM)
            return 0


def _folder_tracked_here(results: Path, name: str) -> Path:
    record = read_ledger(name, results)
    elsewhere = record.facts.get("tracking_uri")
    if elsewhere:
        raise SweepError(f"the sweep {name} is tracked at {elsewhere}: browse it there")
    return record.folder


def _command(results: Path, port: int) -> list[str]:
    """Return what serves: one worker, since all would import MLflow before the first answers one person."""
    store = Store.beside(results)
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
        *("--workers", "1"),
        *("--allowed-hosts", f"localhost:{port},{HOST}:{port}"),
        *("--backend-store-uri", store.uri),
        *("--registry-store-uri", store.uri),
        *("--default-artifact-root", str(store.artifacts and store.artifacts.as_uri())),
        *("--uvicorn-opts", "--log-level warning"),
    ]


def answers(port: int) -> bool:
    """Return whether a server listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    for port in (PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SweepError(f"no port is free on {HOST}")
