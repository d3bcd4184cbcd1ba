"""Connect to Ray: start a local one, join a running cluster, or use one that is already initialised."""

import logging
import os
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from secrets import token_hex

import ray
import ray.util.client
from ray._common.utils import get_default_ray_temp_dir
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.services import find_bootstrap_address
from ray.exceptions import RayError

import gan_core
from gan_core.errors import in_one_line
from sweeps.cluster.code import Code
from sweeps.cluster.ending_signals import ending_signals_blocked
from sweeps.cluster.patches import (
    ended_without_signals,
    environment,
    isolated_job,
    on_loopback,
    trials_in_workers,
    without_monitors,
)
from sweeps.cluster.resources import n_visible_gpus
from sweeps.cluster.shipping import packed
from sweeps.cluster.temporary import ray_folder
from sweeps.errors import SweepError
from sweeps.spec.sections import Resources

WORKER_SETTINGS = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
"""The second setting hides all GPUs from a worker that has reserved none."""

SETTINGS = WORKER_SETTINGS | {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
}
"""The last setting keeps idle workers until trials need them: by default, Ray ends them after a second."""

PRELOADED = "RAY_preload_python_modules"
TRIAL_MODULES = ("sweeps.cluster.trainable", "gan_core.training")
"""What a trial imports."""

MAX_PRELOADING = 8
"""Ray starts a worker for each core. With more cores than this, workers import nothing in advance."""

AUTO = "auto"
_ADDRESS, _AUTH_MODE, _AUTH_TOKEN = "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
CONNECT_TIMEOUT_S = 5.0


@contextmanager
def local_ray(resources: Resources) -> Iterator[None]:
    """Run a local Ray for the block, without its dashboard, its log output and its usage statistics.

    If every worker will have a trial, workers import a trial's modules while this process prepares the sweep.

    Raises:
        SweepError: Ray cannot be started.
    """
    preloads = resources.cpu == 1 and (os.cpu_count() or 1) <= MAX_PRELOADING
    modules = {PRELOADED: ",".join(TRIAL_MODULES) if preloads else ""}
    with ray_folder() as folder, environment(SETTINGS | modules | _token()):
        try:
            with on_loopback(), without_monitors(), ending_signals_blocked():
                _start(folder)
            del os.environ[PRELOADED]
            with trials_in_workers({}):
                yield
        finally:
            with ended_without_signals():
                ray.shutdown()


def _start(folder: str | None) -> None:
    """Start a local Ray with its files in ``folder``, which is deleted later; None for where Ray keeps them.

    Raises:
        SweepError: Ray does not start. Ray raises a plain ``Exception`` if its processes take too long.
    """
    try:
        ray.init(
            address="local",
            num_gpus=n_visible_gpus(),
            _temp_dir=folder,
            job_config=isolated_job(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except Exception as error:
        logs = Path(get_default_ray_temp_dir(), "session_latest", "logs")
        raise SweepError(
            f"Ray did not start on this machine ({in_one_line(error)}): if other programs keep the machine"
            f" busy, end them and try again{'' if folder else f'; the logs of Ray are in {logs}'}"
        ) from error


def _token() -> dict[str, str]:
    """Return the variable of this process's own token if Ray cannot keep a token in the user's home."""
    try:
        folder = Path.home() / ".ray"
        folder.mkdir(exist_ok=True)
        is_kept = os.access(folder, os.W_OK)
    except (OSError, RuntimeError):
        is_kept = False
    return {} if is_kept or _AUTH_TOKEN in os.environ else {_AUTH_TOKEN: _own_token()}


@cache
def _own_token() -> str:
    """Return a secret; Ray reads its token once in a process."""
    return token_hex(32)


@contextmanager
def running_cluster(address: str, code: Code, besides: Collection[Path] = ()) -> Iterator[None]:
    """Work on a running cluster for the block, and leave the cluster as it was.

    The cluster's workers get this program's code, and the folders of the user's own, from here. If this
    process has already initialised Ray, the block uses that connection, and the workers must be able to
    import this program and the user's code themselves: a connection's code cannot be changed.

    Args:
        address: ``auto``, for the cluster that this machine has joined, or ``HOST:PORT``.
        code: The user's code.
        besides: Folders that hold no code: the folder of all sweeps.

    Raises:
        SweepError: A folder of the user's code is too large, no cluster answers at the address, the cluster
            refuses the connection, or this process is connected to another one.
    """
    if ray.is_initialized():
        _check_connection(address)
        with environment(SETTINGS), trials_in_workers(WORKER_SETTINGS):
            yield
        return
    ours = [Path(__file__).parents[1], Path(gan_core.__file__).parent]
    with environment(SETTINGS), packed(code, besides) as sent:
        answering = _answering(address)
        try:
            _join(answering, [*ours, *sent])
            with trials_in_workers({}):
                yield
        finally:
            ray.shutdown()


def _check_connection(address: str) -> None:
    """Check that a sweep can use the Ray that this process has initialised.

    Raises:
        SweepError: It is a connection of Ray's client, or to another address.
    """
    if ray.util.client.ray.is_connected():
        raise SweepError(
            "this process has initialised Ray's client (ray://), which sweeps cannot use: run it on a machine"
            " that has joined the cluster"
        )
    connected = ray.get_runtime_context().gcs_address
    if address not in {AUTO, connected}:
        raise SweepError(
            f"--address {address}: this process has initialised Ray at {connected}; leave the address out to"
            f" use that one, or call ray.shutdown() first"
        )


def _join(address: str, code: Iterable[Path]) -> None:
    """Connect to a cluster, with the code that its workers run.

    Raises:
        SweepError: The cluster refuses the connection.
    """
    try:
        ray.init(
            address=address,
            job_config=isolated_job(),
            runtime_env={"py_modules": [str(path) for path in code], "env_vars": WORKER_SETTINGS},
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise SweepError(
            f"the Ray cluster at {address} refuses the connection ({in_one_line(error)}): run the command on"
            f" a machine that has joined the cluster, with the same versions of Ray and Python; if the"
            f" cluster requires a token, put it in ~/.ray/auth_token and set {_AUTH_MODE}=token"
        ) from error


def _answering(address: str) -> str:
    """Return the ``HOST:PORT`` of a cluster that answers; Ray itself would wait for minutes if none does.

    Raises:
        SweepError: The address has another form, or no cluster answers.
    """
    start = "start one with ray start --head, and type ray start --address HOST:PORT on other machines"
    found = _joined_address() if address == AUTO else address
    if address == AUTO and _ADDRESS not in os.environ:
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    if found is None:
        raise SweepError(f"--address auto: this machine has not joined a Ray cluster; {start}")
    host, _, port = found.rpartition(":")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) < 2**16:
        given = f"--address {found}: expected auto, or"
        if address == AUTO:
            given = f"--address auto, {_ADDRESS}={found}: expected"
        raise SweepError(f"{given} HOST:PORT, for example 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise SweepError(f"no Ray cluster answers at {found} ({error.strerror or error}); {start}") from None
    return found


def _joined_address() -> str | None:
    """Return the address of the cluster that this machine has joined, or None.

    Ray's own search would find any Ray of this machine, also another sweep's local one.
    """
    return os.environ.get(_ADDRESS) or find_bootstrap_address(None) or None
