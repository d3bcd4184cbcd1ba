"""Change this process's environment and private parts of Ray for a block of code, and undo it afterwards."""

import logging
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from ray._private import ray_constants
from ray._private.node import Node
from ray.exceptions import RayError
from ray.job_config import JobConfig

_MONITORS = ("start_log_monitor", "start_monitor")

SECONDS_TO_END = 3.0
"""How long Ray's processes may take to end on a request; then they are killed."""


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables and silence Ray's log for the block; then undo all changes of variables."""
    before, log = dict(os.environ), logging.getLogger("ray")
    level = log.level
    os.environ |= variables
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ |= before


class _Unextended(list[str]):
    """A list that :func:`ray.init` cannot extend."""

    def extend(self, _folders: Iterable[str]) -> None:
        return


def isolated_job() -> JobConfig:
    """Return the configuration of a job whose workers do not import from the driver's current folder.

    Ray puts that folder first on the workers' search path, so that a file called ``pandas.py`` in it would
    run. :func:`sweeps.cluster.shipping.use_import_folders` adds the folders of users' components last.
    """
    job = JobConfig()
    job._py_driver_sys_path = _Unextended()  # noqa: SLF001 - Ray offers no option for it
    return job


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let a Ray that starts in the block listen on loopback only, as on systems without cluster support."""
    with _replaced(ray_constants, ENABLE_RAY_CLUSTER=False):
        yield


@contextmanager
def without_monitors() -> Iterator[None]:
    """Let a Ray that starts in the block start neither its log reader nor its autoscaler.

    Nobody reads those logs, and a local Ray does not scale: without these processes workers start sooner. A
    later version of Ray that starts these processes in another way keeps them.
    """
    with _replaced(Node, **{name: lambda _node: None for name in _MONITORS if name in vars(Node)}):
        yield


@contextmanager
def ended_without_signals() -> Iterator[None]:
    """Let a Ray that shuts down in the block end although its processes block SIGTERM.

    Ray would send SIGTERM to each process and wait for a second. Instead, the raylet ends on a request, and
    ends the workers. The processes that are left are killed.
    """
    kill = Node.kill_all_processes

    def end(node: Node, **options: bool) -> None:
        _end_raylet(node)
        kill(node, **(options | {"allow_graceful": False}))

    with _replaced(Node, kill_all_processes=end):
        yield


def _end_raylet(node: Node) -> None:
    """Ask the raylet of a local Ray to end, and wait for its end, for a few seconds at most."""
    started = node.all_processes.get(ray_constants.PROCESS_TYPE_RAYLET, ())
    with suppress(RayError, RuntimeError, subprocess.TimeoutExpired):
        for each in started:
            node.get_gcs_client().drain_nodes([bytes.fromhex(node.node_id)], timeout=SECONDS_TO_END)
            each.process.wait(SECONDS_TO_END)


@contextmanager
def trials_in_workers(variables: Mapping[str, str]) -> Iterator[None]:
    """Let Tune start each trial's worker with just these environment variables.

    Tune asks for a runtime environment of its own, for which Ray starts new workers: without variables the
    trials run in the workers that Ray keeps ready. Tune also imports MLflow before the first trial, for usage
    statistics that are off. If a later version of Tune lacks the patched names, nothing is patched: trials
    only start later.
    """
    with ExitStack() as patches:
        with suppress(ImportError, AttributeError):
            from ray.air._internal import usage
            from ray.tune.execution import class_cache

            patches.enter_context(
                _replaced(class_cache, DEFAULT_ENV_VARS=dict(variables), ENV_VARS_TO_PROPAGATE=set())
            )
            patches.enter_context(_replaced(usage, tag_callbacks=lambda _callbacks: False))
        yield


@contextmanager
def _replaced(owner: Any, **attributes: object) -> Iterator[None]:  # noqa: ANN401
    """Replace attributes of a module or class for the block.

    Raises:
        AttributeError: One of them is missing.
    """
    before = {name: getattr(owner, name) for name in attributes}
    for name, value in attributes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
