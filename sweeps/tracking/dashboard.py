"""Serve MLflow's pages of the sweeps in a folder, to this machine only."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
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


def serve_dashboard(results: Path, name: str | None = None, port: int | None = None) -> int:
    """Serve MLflow's dashboard on the loopback address until SIGINT or SIGTERM; return an exit code.

    Args:
        results: The folder of the sweeps.
        name: The sweep that the printed address opens; by default, the address opens all experiments.
        port: The port to listen on; by default 5000, or a free one if that is taken.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: There is no sweep yet, the runs are in another store, the port is taken, or the server
            does not start.
    """
    folder = None if name is None else _folder_tracked_here(results, name)
    if not (results / "mlflow.db").exists():
        raise SweepError(
            f"{results} has no MLflow database yet: run a sweep first, or name its folder: --results DIR"
        )
    page = f"/{experiment_link(folder, Store.beside(results))}" if folder else ""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    port = _free_port((PORT, 0) if port is None else (port,))
    command = _command(results, port)
    with (
        TemporaryDirectory(prefix="gan-sweep-") as empty,  # the server imports from its current folder
        subprocess.Popen(command, env=os.environ | _QUIET, cwd=empty, start_new_session=True) as server,  # noqa: S603
    ):
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
        raise SweepError(f"the MLflow runs of {name} are at {elsewhere}: open that address instead")
    return record.folder


def _command(results: Path, port: int) -> list[str]:
    """Return the server's command; one worker is enough for one person, and each takes seconds to start."""
    store = Store.beside(results)
    return [
        *(sys.executable, "-P", "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
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


def _free_port(ports: Sequence[int]) -> int:
    """Return the first free port of these; 0 means any free port.

    Raises:
        SweepError: No port is free.
    """
    for port in ports:
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SweepError(f"port {ports[0]} is taken on {HOST}: choose another one with --port")
