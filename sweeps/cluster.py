"""This machine as Ray sees it: started, with workers that are ready for trials, and its resources."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex

import ray

from sweeps.errors import SweepError
from sweeps.spec import Resources

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
}

_PRELOADED = "RAY_preload_python_modules"
_OF_A_TRIAL = ("sweeps.trainable", "gan_core.training", "torch._dynamo")
"""What a trial imports; the last one is what torch's optimisers load when the first of them is made."""

MOST_READY = 8
"""Ray starts a worker a core. Where there are more cores than this, none imports anything in advance."""


@contextmanager
def local_ray(resources: Resources) -> Iterator[None]:
    """Run a local Ray without its dashboard, its messages and its usage statistics.

    Its workers import what a trial needs while this process does other things, where each will have a trial.
    """
    has_trials_for_all = resources.cpu == 1 and (os.cpu_count() or 1) <= MOST_READY
    os.environ |= _SETTINGS | {_PRELOADED: ",".join(_OF_A_TRIAL) if has_trials_for_all else ""}
    os.environ.setdefault("RAY_AUTH_TOKEN", token_hex(32))  # where Ray cannot keep one in the user's home
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        ray.init(
            address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL
        )
        del os.environ[_PRELOADED]
        yield
    finally:
        ray.shutdown()


def take_ready_workers() -> None:
    """Have Tune's trials run in the workers that Ray keeps ready.

    Tune asks for an environment of its own, for which Ray would start others. Its variables are this
    process's, and so those of all workers. Where a later Tune knows nothing of this, trials only start later.
    """
    with suppress(ImportError, AttributeError):
        from ray.tune.execution import class_cache

        class_cache.DEFAULT_ENV_VARS.clear()
        class_cache.ENV_VARS_TO_PROPAGATE.clear()


def reserved(resources: Resources) -> dict[str, float]:
    """Return what Ray reserves for a trial.

    Raises:
        SweepError: There is less than that.
    """
    there = ray.cluster_resources()
    gpus = min(1, there.get("GPU", 0)) if resources.gpu == "auto" else resources.gpu
    asked = {"cpu": resources.cpu, "gpu": gpus}
    for what, amount in asked.items():
        available = there.get(what.upper(), 0)
        if amount > available:
            raise SweepError(
                f"resources.{what} is {amount:g}: a trial must fit, and there are {available:g} here"
            )
    return asked


def slots(reserves: dict[str, float]) -> int:
    """Return how many trials fit at a time, of which each reserves so much."""
    there = ray.cluster_resources()
    return int(min(there[what.upper()] // amount for what, amount in reserves.items() if amount))
