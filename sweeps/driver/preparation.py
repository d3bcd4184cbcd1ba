"""Check the data and the components of a sweep in a worker, before anything is written."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from gan_core.errors import GanCoreError, in_one_line
from gan_core.imports import is_import_path
from gan_core.loop_config import LoopConfig
from sweeps.cluster.nodes import UsersCode, Yardstick, load
from sweeps.cluster.remote import SECONDS_BETWEEN_CHECKS, on_node, own_node_id
from sweeps.cluster.shipping import import_folders
from sweeps.driver.progress import Terminal
from sweeps.errors import SweepError
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
        recorded_images: The images of the recorded scores, if there are any: nothing but the images is
            loaded and checked if these are others, which the caller refuses.

    Raises:
        SweepError: The dataset cannot be loaded or scored, or the user's code breaks its contract.
    """
    code = _users_code(spec)
    if spec.dataset == PACKAGED and spec.extractor == "classifier" and not (code.configs or code.loop):
        return Prepared({}, [], None)
    trial_options = {"num_cpus": resources["cpu"], "num_gpus": resources["gpu"]}
    options = {"num_cpus": 0, **on_node(own_node_id())} if shares else {**trial_options}
    options |= {"max_retries": 0, "max_calls": 1, "num_returns": 2}
    activity = f"Loading {spec.dataset} and its {spec.extractor}"
    with terminal.announced(activity) as show, TemporaryDirectory(prefix="gan-sweep-") as folder:
        note = Path(folder) / "progress"
        task = ray.remote(**options)(load)
        yardstick = Yardstick(spec.extractor, spec.reference, spec.samples_per_score)
        arguments = spec.data, yardstick, code, resources, import_folders(), note
        done, loaded = task.remote(*arguments, trial_options if shares else None, recorded_images)
        while not ray.wait([done], timeout=SECONDS_BETWEEN_CHECKS)[0]:
            check()
            _show_note(note, show)
        _show_note(note, show)
        check()
        try:
            found = ray.get(done)
        except RayTaskError as error:
            raise SweepError(_message(spec, error.cause)) from error
        except RayError as error:
            raise SweepError(f"the worker that loads {spec.dataset} died: {error}") from error
    for remark in found.remarks:
        terminal.say(f"{spec.dataset}: {remark}")
    for warning in found.warnings:
        terminal.say(f"Warning: {warning}", logging.WARNING)
    return Prepared(found.measure, found.warnings, loaded)


def _show_note(note: Path, show: Callable[[str], None]) -> None:
    """Show what the worker has noted last; the file is empty while the worker replaces its content."""
    if note.exists() and (line := note.read_text(encoding="utf-8")):
        show(line)


def _users_code(spec: SweepSpec) -> UsersCode:
    """Return what to check of users' code: combinations of components, and the loop at the baseline."""
    loop = (spec.train, spec.trial_values(spec.baseline, 0)) if spec.train else None
    return UsersCode(_with_users_components(spec), loop)


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


def _message(spec: SweepSpec, cause: BaseException) -> str:
    """Return an error in the worker as a message for the user."""
    if isinstance(cause, GanCoreError):
        return str(cause)
    return f"dataset {spec.dataset}: {in_one_line(cause)}"
