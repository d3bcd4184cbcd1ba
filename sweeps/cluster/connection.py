"""Ray as a sweep has it: started on this machine, or a cluster that runs already; and its resources."""

import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

import ray
from ray._private import ray_constants
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.node import Node
from ray._private.services import find_bootstrap_address
from ray.exceptions import RayError

import gan_core
from gan_core.errors import in_one_line
from sweeps.errors import SweepError
from sweeps.spec.sections import Resources

_OF_WORKERS = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
"""Without the second, a worker that has reserved no GPU sees those of others."""

_SETTINGS = _OF_WORKERS | {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
}
"""The last one keeps the workers that are ready until there are trials: Ray ends idle ones after a second."""

_PRELOADED = "RAY_preload_python_modules"
_OF_A_TRIAL = ("sweeps.cluster.trainable", "gan_core.training")
"""What a trial imports."""

MOST_READY = 8
"""Ray starts a worker a core. Where there are more cores than this, none imports anything in advance."""

_MONITORS = ("start_log_monitor", "start_monitor")
AUTO = "auto"
_ADDRESS, _AUTH_MODE = "RAY_ADDRESS", "RAY_AUTH_MODE"
CONNECTS_S = 5.0


@contextmanager
def local_ray(resources: Resources) -> Iterator[None]:
    """Run a local Ray without its dashboard, its messages and its usage statistics.

    Its workers import what a trial needs while this process does other things, where each will have a trial.
    """
    has_trials_for_all = resources.cpu == 1 and (os.cpu_count() or 1) <= MOST_READY
    os.environ |= _SETTINGS | {_PRELOADED: ",".join(_OF_A_TRIAL) if has_trials_for_all else ""}
    _have_a_token()
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        with _on_loopback(), _without_monitors():
            ray.init(
                address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL
            )
        del os.environ[_PRELOADED]
        yield
    finally:
        ray.shutdown()


def _have_a_token() -> None:
    """Give Ray a token of this process's, where it cannot keep one of the user's in their home."""
    try:
        folder = Path.home() / ".ray"
        folder.mkdir(exist_ok=True)
        is_kept = os.access(folder, os.W_OK)
    except (OSError, RuntimeError):
        is_kept = False
    if not is_kept:
        os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(32))


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have what Ray starts listen on loopback alone, as it does where it cannot be a cluster."""
    can_be_a_cluster = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = can_be_a_cluster


@contextmanager
def _without_monitors() -> Iterator[None]:
    """Have Ray start neither the process that reads the workers' logs nor the one that scales a cluster.

    Those logs are shown to nobody, and this machine is all there is: the workers start sooner for it. A later
    Ray that starts them in another way has them.
    """
    starts = {name: start for name, start in vars(Node).items() if name in _MONITORS}
    for name in starts:
        setattr(Node, name, lambda _node: None)
    try:
        yield
    finally:
        for name, start in starts.items():
            setattr(Node, name, start)


@contextmanager
def running_cluster(address: str, import_paths: Iterable[str]) -> Iterator[None]:
    """Work on a cluster that runs already, and leave it as it was.

    Its workers get this program's code, and that of the user's own components, from here.

    Args:
        address: ``auto``, for the cluster that this machine has joined, or ``HOST:PORT``.
        import_paths: The user's components.

    Raises:
        SweepError: No cluster answers there, or it takes no work from here.
    """
    answering = _answering(address)
    os.environ |= _SETTINGS
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    code = sorted({Path(__file__).parents[1], Path(gan_core.__file__).parent, *users_code(import_paths)})
    try:
        ray.init(
            address=answering,
            runtime_env={"py_modules": [str(path) for path in code], "env_vars": _OF_WORKERS},
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        ray.shutdown()
        raise SweepError(
            f"the Ray cluster at {answering} takes no work from here ({in_one_line(error)}): the command must"
            f" run on a machine that has joined it, with the same Ray and Python; where it asks for a"
            f" token, with that in ~/.ray/auth_token and {_AUTH_MODE}=token"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _answering(address: str) -> str:
    """Return the ``HOST:PORT`` of a cluster, once something has answered there: Ray would wait for minutes.

    Raises:
        SweepError: There is none.
    """
    start = "start one with ray start --head, and type ray start --address HOST:PORT on other machines"
    found = _joined() if address == AUTO else address
    if address == AUTO and _ADDRESS not in os.environ:
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    if found is None:
        raise SweepError(f"--address auto: this machine is in no Ray cluster; {start}")
    host, _, port = found.rpartition(":")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) < 2**16:
        given = f"--address {found}: expected auto, or"
        if address == AUTO:
            given = f"--address auto, {_ADDRESS}={found}: expected"
        raise SweepError(f"{given} HOST:PORT such as 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTS_S).close()
    except OSError as error:
        raise SweepError(f"no Ray cluster answers at {found} ({error.strerror or error}); {start}") from None
    return found


def _joined() -> str | None:
    """Return the address of the cluster that this machine has joined.

    Ray's own search would find any Ray of this machine's, such as another sweep's.
    """
    return os.environ.get(_ADDRESS) or find_bootstrap_address(None) or None


def users_code(import_paths: Iterable[str]) -> set[Path]:
    """Return where components lie that are not installed, and what they import beside them."""
    names = {path.partition(":")[0].partition(".")[0] for path in import_paths} - sys.stdlib_module_names
    folders = {path.parent for name in names for path in _packages(name)}
    imported = {name.partition(".")[0] for name in sys.modules}
    return {path for name in imported for path in _packages(name) if path.parent in folders}


def _packages(name: str) -> list[Path]:
    """Return where a module or package lies that is not installed for all; not where it is built in."""
    with suppress(ValueError, ImportError):
        spec = find_spec(name)
        places = (spec.submodule_search_locations or [spec.origin or ""]) if spec else []
        paths = [Path(place) for place in places]
        return [path for path in paths if path.suffix in {"", ".py"} and path.exists() and _is_own(path)]
    return []


def _is_own(path: Path) -> bool:
    return not {"site-packages", "dist-packages"} & set(path.parts)


def take_ready_workers() -> None:
    """Have Tune's trials run in the workers that Ray keeps ready.

    Tune asks for an environment of its own, for which Ray would start others. Its variables are this
    process's, and so those of all workers. And it imports MLflow, for statistics of use that are off, before
    it starts a trial. Where a later Tune knows nothing of this, trials only start later.
    """
    with suppress(ImportError, AttributeError):
        from ray.air._internal import usage
        from ray.tune.execution import class_cache

        class_cache.DEFAULT_ENV_VARS.clear()
        class_cache.ENV_VARS_TO_PROPAGATE.clear()
        usage.tag_callbacks = lambda _callbacks: False
