"""What a sweep rests on, tried once in a worker before anything is written: its data and its components."""

from collections.abc import Callable
from itertools import product

import ray
from ray.exceptions import RayError, RayTaskError
from rich.console import Console

from gan_core.config import TrialConfig
from gan_core.errors import GanCoreError, in_one_line
from gan_core.registry import is_import_path
from sweeps.cluster.nodes import load
from sweeps.cluster.remote import SECONDS_BETWEEN_CHECKS, on_node, own_node_id
from sweeps.driver.progress import announced
from sweeps.errors import SweepError
from sweeps.spec.model import COMPONENTS, SweepSpec

PACKAGED = "mnist-5k"


def prepare(
    spec: SweepSpec,
    resources: dict[str, float],
    console: Console,
    *,
    quiet: bool,
    check: Callable[[], None],
    shares: bool = False,
) -> ray.ObjectRef | None:
    """Load the dataset, and try every combination of components of which one is a user's own.

    A dataset that is not to be had and a component that does not do what it must are one message then, not
    one failure a trial. A sweep of packaged digits and registered components needs nothing of it.

    Args:
        spec: What will be searched.
        resources: What Ray reserves for a trial, and for this.
        console: Where to say that the dataset is being loaded.
        quiet: Whether to say nothing.
        check: Called again and again while it is waited for; what it raises ends the waiting.
        shares: Whether it is this machine that loads it for all others, whatever its resources.

    Returns:
        What it shares, as :func:`sweeps.cluster.nodes.load` returns it; None where each worker loads its own.

    Raises:
        SweepError: The dataset cannot be loaded or scored, or a component is refused.
    """
    configs = _with_users_components(spec)
    if spec.dataset == PACKAGED and spec.extractor == "classifier" and not configs:
        return None
    options = {"num_cpus": resources["cpu"], "num_gpus": resources["gpu"]}
    if shares:
        options = {"num_cpus": 0, **on_node(own_node_id())}
    options |= {"max_retries": 0, "max_calls": 1, "num_returns": 2}
    with announced(console, f"Loading {spec.dataset} and its {spec.extractor}", quiet=quiet):
        task = ray.remote(**options)(load)
        done, loaded = task.remote(spec.data, spec.extractor, configs, resources["cpu"])
        while not ray.wait([done], timeout=SECONDS_BETWEEN_CHECKS)[0]:
            check()
        check()
        try:
            ray.get(done)
        except RayTaskError as error:
            raise SweepError(_message(spec, error.cause)) from error
        except RayError as error:
            raise SweepError(f"the worker that loads {spec.dataset} died: {error}") from error
    return loaded if shares else None


def _with_users_components(spec: SweepSpec) -> list[TrialConfig]:
    """Return a configuration for each combination of components, one of them a user's own."""
    combinations = product(*(spec.values_of(name) for name in COMPONENTS))
    return [
        spec.trial_config(spec.baseline | dict(zip(COMPONENTS, combination, strict=True)), 0)
        for combination in combinations
        if any(is_import_path(str(name)) for name in combination)
    ]


def _message(spec: SweepSpec, cause: BaseException) -> str:
    """Return what a person needs to know of an error in the worker."""
    if isinstance(cause, GanCoreError):
        return str(cause)
    return f"dataset {spec.dataset}: {in_one_line(cause)}"
