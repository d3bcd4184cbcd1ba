"""Check, run, resume and confirm sweeps from Python."""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gan_core.imports import imports
from sweeps.driver.checking import check_users_code
from sweeps.driver.progress import Terminal
from sweeps.driver.request import OnReport, Request
from sweeps.driver.runner import Outcome, confirm_sweep, execute, resume_sweep
from sweeps.errors import SweepInterrupted
from sweeps.spec.model import SweepSpec
from sweeps.spec.overrides import Override, path_of
from sweeps.spec.reading import load_spec
from sweeps.words import RESULTS

if TYPE_CHECKING:
    from gan_core.loops.declaration import Loop
    from sweeps.analysis.sweep import Sweep
    from sweeps.cluster.code_check import CheckedCode


def run(
    spec: Path | str | Mapping[str, Any] | SweepSpec,
    *,
    train: "Loop | None" = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    results: Path | str = RESULTS,
    warm_start: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    storage: str | None = None,
    allow_imports: bool = False,
    quiet: bool = False,
    on_report: OnReport | None = None,
) -> "Sweep":
    """Run a sweep, and return it.

    Args:
        spec: A search-space file, its content as a dict, or a :class:`sweeps.spec.model.SweepSpec`.
        train: A training loop, in place of the spec's. A function of a module needs no ``allow_imports``. A
            function of a notebook or of the script that runs is sent to the workers by value: only this
            process can resume such a sweep.
        overrides: Values that replace those of the spec, by dotted key: ``{"trials": 8}``.
        name: The sweep's name, which must be free; by default the spec's, or the next free ``NAME-2``.
        results: The folder that holds all sweeps.
        warm_start: An earlier sweep, as for :func:`sweeps.driver.runner.execute`.
        tracking_uri: MLflow's tracking URI; by default ``MLFLOW_TRACKING_URI``, or a database in ``results``.
        address: A Ray cluster to run on, ``auto`` or ``HOST:PORT``; by default the Ray that this
            process has initialised, or else a local one.
        storage: Where the states of unfinished trials are kept (:class:`sweeps.driver.request.Request`).
        allow_imports: Whether to import components that the spec names by their import paths, which runs
            their code.
        quiet: Whether to show nothing while the sweep runs.
        on_report: Called with a trial's name, the step and the metrics after each report; an exception of it
            stops the sweep.

    Raises:
        SpecError: The file, an override or the name has faults. Nothing was started or written.
        LoopError: ``train`` is not a training loop.
        SweepExistsError: The name is taken.
        SweepError: As for :func:`sweeps.driver.runner.execute`. Nothing was written.
        SweepInterrupted: A signal stopped the sweep. All reports so far are recorded.
    """
    request = _request(results, tracking_uri, address, storage, on_report, quiet=quiet)
    with imports(allowed=allow_imports):
        return _sweep_of(
            execute(_spec(spec, overrides, train, request), request, name=name, warm_start=warm_start)
        )


def check(
    spec: Path | str | Mapping[str, Any] | SweepSpec,
    *,
    train: "Loop | None" = None,
    overrides: Mapping[str, Any] | None = None,
    address: str | None = None,
    allow_imports: bool = False,
    quiet: bool = False,
) -> "list[CheckedCode]":
    """Check the training loop or the components of a spec that are a user's own, as a sweep does at first.

    Args:
        spec: A search-space file, its content as a dict, or a :class:`sweeps.spec.model.SweepSpec`.
        train: As for :func:`run`.
        overrides: Values that replace those of the spec, by dotted key.
        address: As for :func:`run`.
        allow_imports: As for :func:`run`.
        quiet: Whether to show no progress.

    Returns:
        What the check found (:class:`sweeps.cluster.code_check.CheckedCode`): of the loop, or of each
        combination of components. Empty if the spec names no code of a user's own.

    Raises:
        SpecError: The file or an override has faults.
        SweepError: The code fails a check, the dataset cannot be loaded, or no cluster answers.
        SweepInterrupted: A signal stopped the check.
    """
    request = _request(RESULTS, None, address, None, None, quiet=quiet)
    with imports(allowed=allow_imports):
        return check_users_code(_spec(spec, overrides, train, request), request)


def resume(
    name: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    results: Path | str = RESULTS,
    tracking_uri: str | None = None,
    address: str | None = None,
    storage: str | None = None,
    allow_imports: bool = False,
    changed_code: bool = False,
    quiet: bool = False,
    on_report: OnReport | None = None,
) -> "Sweep":
    """Resume or extend a sweep (:func:`sweeps.driver.runner.resume_sweep`), and return it.

    Args:
        name: The sweep.
        overrides: Values that replace those of the spec, by dotted key, such as ``{"trials": 32}`` (in all)
            or ``{"time_budget": "90m"}``; :data:`sweeps.driver.runner.RESUME_KEYS` lists the allowed keys.
        results: The folder that holds all sweeps.
        tracking_uri: MLflow's tracking URI; as before by default.
        address: As for :func:`run`.
        storage: As before by default.
        allow_imports: As for :func:`run`.
        changed_code: Whether to train with the user's own code although it has changed since the last trials.
        quiet: As for :func:`run`.
        on_report: As for :func:`run`.

    Raises:
        UnknownSweepError: There is no such sweep.
        SpecError: An override has a fault.
        SweepError: Another process runs it, its code has changed, or as for :func:`run`.
        SweepInterrupted: A signal stopped the sweep. All reports so far are recorded.
    """
    request = _request(
        results, tracking_uri, address, storage, on_report, quiet=quiet, changed_code=changed_code
    )
    with imports(allowed=allow_imports):
        return _sweep_of(resume_sweep(name, request, _as_settings(overrides or {})))


def confirm(
    name: str,
    *,
    top: int | None = None,
    seeds: int | None = None,
    until_resolved: bool | None = None,
    max_seeds: int | None = None,
    results: Path | str = RESULTS,
    tracking_uri: str | None = None,
    address: str | None = None,
    storage: str | None = None,
    allow_imports: bool = False,
    changed_code: bool = False,
    quiet: bool = False,
    on_report: OnReport | None = None,
) -> "Sweep":
    """Train the best configurations and the defaults again on fresh seeds, and return the sweep.

    Args:
        name: The sweep.
        top: The number of configurations; by default as in the sweep's file, else 3.
        seeds: The number of fresh seeds of each; by default as in the sweep's file, else 3.
        until_resolved: Whether to train more seeds while the order is open.
        max_seeds: The most seeds, with ``until_resolved``.
        results: The folder that holds all sweeps.
        tracking_uri: MLflow's tracking URI; as before by default.
        address: As for :func:`run`.
        storage: As before by default.
        allow_imports: As for :func:`run`.
        changed_code: Whether to train with the user's own code although it has changed since the last trials.
        quiet: As for :func:`run`.
        on_report: As for :func:`run`.

    Raises:
        UnknownSweepError: There is no such sweep.
        SpecError: A setting has a fault.
        SweepError: No trial has a score, another process runs it, its code has changed, or as for
            :func:`run`.
        SweepInterrupted: A signal stopped the confirmation. All reports so far are recorded.
    """
    options = {"top": top, "seeds": seeds, "until_resolved": until_resolved, "max_seeds": max_seeds}
    request = _request(
        results, tracking_uri, address, storage, on_report, quiet=quiet, changed_code=changed_code
    )
    with imports(allowed=allow_imports):
        return _sweep_of(confirm_sweep(name, options, request))


def _request(
    results: Path | str,
    tracking_uri: str | None,
    address: str | None,
    storage: str | None,
    on_report: OnReport | None,
    *,
    quiet: bool,
    changed_code: bool = False,
) -> Request:
    terminal = Terminal(_console(), is_quiet=quiet)
    address = address or ("auto" if _has_initialised_ray() else None)
    return Request(Path(results), tracking_uri, address, storage, terminal, on_report, changed_code)


def _spec(
    spec: Path | str | Mapping[str, Any] | SweepSpec,
    overrides: Mapping[str, Any] | None,
    train: "Loop | None",
    request: Request,
) -> SweepSpec:
    content = spec.model_dump(mode="json") if isinstance(spec, SweepSpec) else spec
    given = [] if train is None else [_as_override(train, request.terminal)]
    return load_spec(content, [*given, *_as_settings(overrides or {})])


def _has_initialised_ray() -> bool:
    """Return whether this process has initialised Ray, without importing Ray."""
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def _console() -> Console:
    """Return a console on stderr or, in a notebook, in the output of its cell."""
    notebook = Console()
    return notebook if notebook.is_jupyter else Console(stderr=True)


def _as_settings(overrides: Mapping[str, Any]) -> list[Override]:
    return [Override(f"overrides[{key!r}]", path_of(key), value) for key, value in overrides.items()]


def _as_override(train: "Loop", terminal: Terminal) -> Override:
    """Return the setting of a spec that names a training loop."""
    from gan_core.loops.declaration import loop_name
    from sweeps.cluster.by_value import path_of as path_of_loop

    path, is_sent = path_of_loop(train)
    if is_sent:
        terminal.say(
            f"{loop_name(train)} is sent to the workers by value: only this process can resume the sweep. To"
            " resume it elsewhere, put the function into a module, for example mine.py, and pass mine.train"
        )
    return Override("train", ("train",), path)


def _sweep_of(outcome: Outcome) -> "Sweep":
    """Return the sweep of an outcome, and warn of failures that did not stop it.

    Raises:
        SweepInterrupted: A signal stopped it.
    """
    if outcome.report_failure:
        warnings.warn(f"the report page was not written: {outcome.report_failure}", stacklevel=3)
    if outcome.tracking_failure:
        warnings.warn(f"MLflow is missing a part of this sweep: {outcome.tracking_failure}", stacklevel=3)
    if outcome.signal_number is not None:
        raise SweepInterrupted(outcome.signal_number)
    return outcome.sweep
