"""Check the data and the components of a sweep in a worker, before anything is written."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import ray

from gan_core.imports import is_import_path
from gan_core.loop_config import LoopConfig
from sweeps.cluster.code_check import UsersCode
from sweeps.cluster.nodes import Yardstick, load
from sweeps.driver.first_worker import FirstWorker
from sweeps.driver.progress import Terminal
from sweeps.spec.domains import Scalar
from sweeps.spec.model import SweepSpec

PACKAGED = "mnist-5k"


@dataclass(frozen=True)
class Prepared:
    """What a worker has loaded before the first trial.

    Args:
        measure: The images and the extractor, as facts of the sweep; empty for the packaged digits, which
            are known only at the first report.
        warnings: Why scores are less reliable than they look.
        shared: The dataset and the extractor's weights, shared with all workers
            (:func:`sweeps.cluster.nodes.load`); None for the packaged digits, which each worker loads.
    """

    measure: Mapping[str, Any]
    warnings: Sequence[str]
    shared: ray.ObjectRef | None


def prepare(
    spec: SweepSpec,
    resources: dict[str, float],
    terminal: Terminal,
    *,
    check: Callable[[], None],
    shares: bool = False,
    recorded_images: Mapping[str, Any] | None = None,
) -> Prepared:
    """Load the dataset, and check users' code: combinations with a component of their own, or their loop.

    A dataset that cannot be loaded and code that breaks its contract are then one message, not one failure a
    trial. A sweep of the packaged digits with registered components needs neither.

    Args:
        spec: The sweep.
        resources: What Ray reserves for a trial, and for this check.
        terminal: Shows that the dataset is being loaded, and the progress.
        check: Called repeatedly while this function waits; an exception of it ends the wait.
        shares: Whether this machine loads the dataset for all nodes.
        recorded_images: The images of the recorded scores, if any. If the dataset has other images, nothing
            else is loaded and checked, and the caller refuses the sweep.

    Raises:
        SweepError: The dataset cannot be loaded or scored, or the user's code breaks its contract.
    """
    code = users_code(spec)
    if spec.dataset == PACKAGED and spec.extractor == "classifier" and code.is_empty:
        return Prepared({}, [], None)
    yardstick = Yardstick(spec.extractor, spec.reference, spec.samples_per_score)
    worker = FirstWorker(spec, resources, terminal, check, shares=shares)
    activity = f"Loading {spec.dataset} and its {spec.extractor}"
    found, loaded = worker.results(activity, load, code, yardstick, recorded_images)
    for remark in found.remarks:
        terminal.say(f"{spec.dataset}: {remark}")
    for warning in found.warnings:
        terminal.say(f"Warning: {warning}", logging.WARNING)
    for remark in found.code_remarks:
        terminal.say(f"Warning: {remark}", logging.WARNING)
    return Prepared(found.measure, found.warnings, loaded)


def users_code(spec: SweepSpec) -> UsersCode:
    """Return what to check of users' code: combinations of components, and the loop at the baseline."""
    loop = (spec.train, spec.trial_values(spec.baseline, 0)) if spec.train else None
    return UsersCode(_with_users_components(spec), loop, spec.trial_timeout, tuple(spec.constraints))


def _with_users_components(spec: SweepSpec) -> list[LoopConfig]:
    """Return configurations of each combination of components and precision with a user's own component."""
    names = [*spec.components, "precision"] if spec.components else []
    combinations = product(*(spec.values_of(name) for name in names))
    return [
        config
        for combination in combinations
        if any(is_import_path(str(value)) for value in combination)
        for config in _of_combination(spec, dict(zip(names, combination, strict=True)))
    ]


def _of_combination(spec: SweepSpec, values: dict[str, Scalar]) -> list[LoopConfig]:
    """Return the configurations of components and a precision at the ends of the components' parameters.

    All other parameters have the baseline's values.
    """
    known = spec.hyperparameters
    others = {name: value for name, value in spec.baseline.items() if known[name].chosen_by is None}
    ends = {
        name: domain.boundary_values()
        for name, domain in spec.searched.items()
        if (field := known[name].chosen_by) is not None and values[field] in known[name].models
    }
    first = {name: values[0][1] for name, values in ends.items()}
    last = {name: values[-1][1] for name, values in ends.items()}
    parameters = [first] if first == last else [first, last]
    return [spec.trial_config({**others, **values, **each}, 0) for each in parameters]
