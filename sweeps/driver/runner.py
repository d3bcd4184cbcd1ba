"""Runs a sweep, on this machine or a cluster: from what was asked for to how it ended.

Ray starts while what trains with it is still being imported.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from rich.console import Console

from gan_core.registry import imports
from sweeps.cluster.storage import Storage, chosen_storage
from sweeps.driver.disk import check_room, told_when_full
from sweeps.driver.ends import Budget, Signals
from sweeps.driver.preview import disk_bytes
from sweeps.driver.site import Target, prepared_site, running_ray, storage_again
from sweeps.errors import SweepError, SweepInterrupted
from sweeps.record.layout import check_results, create_sweep_folder
from sweeps.record.locks import running_lock
from sweeps.record.past import Past
from sweeps.record.reading import Record, read_ledger
from sweeps.record.status import Stage, Status
from sweeps.spec.model import SweepSpec
from sweeps.spec.overrides import Override
from sweeps.spec.reading import load_spec
from sweeps.spec.sections import Confirm
from sweeps.tracking.store import Store
from sweeps.words import RESULTS

if TYPE_CHECKING:
    from sweeps.analysis.sweep import Sweep


@dataclass(frozen=True)
class Outcome:
    """How a run of a sweep ended.

    Args:
        sweep: What its ledger holds.
        signal_number: The signal that stopped it, or None.
        out_of_time: Whether its time budget stopped it.
        tracking_failure: Why MLflow lacks a part of it, or None.
        report_failure: Why its report page was not written, or None.
    """

    sweep: "Sweep"
    signal_number: int | None
    out_of_time: bool
    tracking_failure: str | None
    report_failure: Exception | None = None


def run(
    spec: Path | str,
    *,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    results: Path | str = RESULTS,
    warm_start: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    storage: str | None = None,
    allow_imports: bool = False,
    quiet: bool = False,
) -> "Sweep":
    """Run the sweep that a search-space file describes, and return it.

    Args:
        spec: The file.
        overrides: Values that replace those of the file, by dotted key: ``{"trials": 8}``.
        name: The sweep's name, which must be free; by default the spec's, or the next free ``NAME-2``.
        results: Where sweeps are kept.
        warm_start: An earlier sweep of the same space, whose trials the sampler begins with.
        tracking_uri: Where MLflow keeps runs; by default ``MLFLOW_TRACKING_URI``, or a database in results.
        address: A Ray cluster to run on, ``auto`` or ``HOST:PORT``; by default a Ray of its own here.
        storage: Where the states of unfinished trials are kept, as :class:`Target` has it.
        allow_imports: Whether components that the file names by their import paths are imported, which runs
            their code.
        quiet: Whether to show nothing while it runs.

    Raises:
        SpecError: The file or an override has faults; nothing was started or written.
        SweepExistsError: The name is taken.
        SweepError: What :func:`execute` raises; nothing was written.
        SweepInterrupted: A signal stopped the sweep; its trials so far are kept.
    """
    settings = [
        Override(f"overrides[{key!r}]", tuple(key.split(".")), value)
        for key, value in (overrides or {}).items()
    ]
    console = Console(stderr=True)
    with imports(allowed=allow_imports):
        outcome = execute(
            load_spec(spec, settings),
            name=name,
            results=Path(results),
            warm_start=warm_start,
            tracking_uri=tracking_uri,
            target=Target(address, storage),
            console=console,
            quiet=quiet,
        )
    if outcome.report_failure:
        warnings.warn(f"the report page was not written: {outcome.report_failure}", stacklevel=2)
    if outcome.tracking_failure:
        warnings.warn(f"MLflow lacks a part of this sweep: {outcome.tracking_failure}", stacklevel=2)
    if outcome.signal_number is not None:
        raise SweepInterrupted(outcome.signal_number)
    return outcome.sweep


def execute(
    spec: SweepSpec,
    *,
    name: str | None,
    results: Path,
    console: Console,
    quiet: bool,
    warm_start: str | None = None,
    tracking_uri: str | None = None,
    target: Target = Target(),
) -> Outcome:
    """Run a sweep to its end, that of its time budget, or SIGINT, SIGTERM or SIGHUP; return how it ended.

    Raises:
        SweepExistsError: The name is taken.
        DiskFullError: There is no room for it; or there was none any more on the way, and what was written is
            whole.
        UnknownSweepError: There is no sweep to start from.
        SweepError: MLflow cannot keep runs there, the sweep to start from is another space's, no cluster
            answers or a node of it lacks something, a trial asks for more than there is, ``results`` cannot
            be written, the dataset cannot be loaded, or a component of the user's own does not do what it
            must; nothing was written.
        SweepInterrupted: A signal came before the sweep had begun; nothing was written.
    """
    check_results(results, name)
    store = Store.chosen(results, tracking_uri)
    earlier = _earlier(spec, warm_start, results) if warm_start else None
    check_room(results, disk_bytes(spec))

    def new_folder() -> Path:
        return create_sweep_folder(results, name or spec.name, exact=name is not None)

    return _run(
        spec,
        new_folder,
        store,
        console,
        target=target,
        storage=chosen_storage(spec.name, target.storage, None, is_cluster=target.address is not None),
        settings=spec.confirm,
        earlier=earlier,
        quiet=quiet,
    )


def _earlier(spec: SweepSpec, name: str, results: Path) -> Path:
    from sweeps.search.warmstart import earlier_sweep

    return earlier_sweep(spec, name, results)


def resume(
    name: str,
    *,
    trials: int | None,
    time_budget: float | None,
    tracking_uri: str | None = None,
    target: Target = Target(),
    results: Path,
    console: Console,
    quiet: bool,
) -> Outcome:
    """Go on with a sweep that was stopped, in whatever way, or extend one; return how it ended.

    No trial that ended is trained again, one that was running goes on from its last checkpoint, and the
    sampler and the scheduler know all that was reported. A confirmation goes on likewise. A sweep that is
    finished is left as it is.

    Args:
        name: The sweep's name.
        trials: How many trials it shall have in all; as many as before where it is not given.
        time_budget: Seconds until it ends; no end where it is not given.
        tracking_uri: Where MLflow keeps its runs; where it did before where it is not given.
        target: Where it runs; its storage is that of before where it is not given.
        results: Where sweeps are kept.
        console: Where to show it.
        quiet: Whether to show nothing.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: Another process runs it, or what :func:`execute` raises.
        SweepInterrupted: A signal came before the sweep went on.
    """
    record = read_ledger(name, results)
    changes = {"time_budget": time_budget} | ({} if trials is None else {"trials": trials})
    spec, past = _spec_again(name, record.facts["spec"] | changes), Past.read(record)
    is_closed = record.facts["status"] == Status.COMPLETED
    searches = bool(past.unfinished) or len(past.rows) < spec.max_trials or not is_closed
    settings = _unconfirmed(spec, record, searches=searches)
    if not searches and settings is None:
        return Outcome(_load(record.folder), None, out_of_time=False, tracking_failure=None)
    return _go_on(
        record,
        spec,
        settings,
        past if searches else None,
        tracking_uri=tracking_uri,
        target=target,
        console=console,
        quiet=quiet,
    )


def _go_on(
    record: Record,
    spec: SweepSpec,
    settings: Confirm | None,
    past: Past | None,
    *,
    tracking_uri: str | None,
    target: Target,
    console: Console,
    quiet: bool,
) -> Outcome:
    """Search on from the past where one is given, and confirm where there are settings for it."""
    folder = record.folder
    store = Store.chosen(folder.parent, tracking_uri, record.facts.get("tracking_uri"))
    with running_lock(folder):
        pass
    changes = {"confirm": settings} | ({} if past else {"trials": len(record.trials)})
    to_do = spec.model_copy(update=changes)
    check_room(folder.parent, disk_bytes(to_do, n_ended=_n_ended(to_do, record)))
    return _run(
        spec,
        lambda: folder,
        store,
        console,
        target=target,
        storage=storage_again(record, target),
        settings=settings,
        past=past,
        searches=past is not None,
        quiet=quiet,
    )


def _n_ended(spec: SweepSpec, record: Record) -> int:
    """Return how many of a sweep's trainings need not be trained again."""
    ended = {stage: len(Past(record.of_stage(stage), {}).ended) for stage in Stage}
    return min(ended[Stage.SEARCH], spec.trials) + (ended[Stage.CONFIRM] if spec.confirm else 0)


def _unconfirmed(spec: SweepSpec, record: Record, *, searches: bool) -> Confirm | None:
    """Return what is still to be confirmed: what was interrupted, or what the file asks for."""
    confirmation = record.facts.get("confirmation")
    if confirmation and confirmation["status"] != Status.COMPLETED:
        return Confirm.model_validate(confirmation["settings"])
    return spec.confirm if searches or not confirmation else None


def _spec_again(name: str, content: dict[str, Any]) -> SweepSpec:
    """Return the spec that a ledger holds.

    Raises:
        SweepError: It is not valid any more: its folder of images or a module of the user's own is gone.
    """
    try:
        return SweepSpec.model_validate(content)
    except ValidationError as error:
        details = "; ".join(detail["msg"] for detail in error.errors(include_url=False))
        raise SweepError(f"the sweep {name} cannot go on as it was: {details}") from None


def confirm(
    name: str,
    settings: Confirm,
    *,
    tracking_uri: str | None = None,
    target: Target = Target(),
    results: Path,
    console: Console,
    quiet: bool,
) -> Outcome:
    """Train the best configurations of a sweep, and the defaults, on fresh seeds; return how it ended.

    What an earlier confirmation has trained is not trained again.

    Args:
        name: The sweep's name.
        settings: How many configurations and seeds.
        tracking_uri: Where MLflow keeps its runs; where it did before where it is not given.
        target: Where it runs; its storage is that of before where it is not given.
        results: Where sweeps are kept.
        console: Where to show it.
        quiet: Whether to show nothing.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: No trial of it has a score, another process runs it, or what :func:`execute` raises.
        SweepInterrupted: A signal came before anything was trained.
    """
    from sweeps.analysis.sweep import Sweep

    record = read_ledger(name, results)
    spec = _spec_again(name, record.facts["spec"] | {"time_budget": None})
    Sweep(record).finalists(settings.top)
    return _go_on(
        record,
        spec,
        settings,
        past=None,
        tracking_uri=tracking_uri,
        target=target,
        console=console,
        quiet=quiet,
    )


def _run(
    spec: SweepSpec,
    folder_of: Callable[[], Path],
    store: Store,
    console: Console,
    *,
    target: Target,
    storage: Storage | None,
    settings: Confirm | None,
    earlier: Path | None = None,
    past: Past | None = None,
    searches: bool = True,
    quiet: bool,
) -> Outcome:
    signals, budget = Signals(), Budget(spec.time_budget)
    with signals.caught(), running_ray(spec, target.address, console, quiet=quiet):
        signals.catch()
        site = prepared_site(spec, target, storage, console, quiet=quiet, check=signals.check)
        folder = folder_of()
        from sweeps.driver.session import Session

        session = Session(spec, folder, store, site, [signals, budget], console, quiet=quiet)
        with told_when_full(folder), running_lock(folder), session:
            is_done = not searches or session.search(earlier, past) is Status.COMPLETED
            if settings and is_done and signals.number is None:
                is_done = session.confirm(settings) is Status.COMPLETED
            if is_done:
                session.tidy()
    failures = session.tracking_failure, session.report_failure
    return Outcome(_load(folder), signals.number, budget.is_over, *failures)


def _load(folder: Path) -> "Sweep":
    from sweeps.analysis.loading import load

    return load(folder.name, folder.parent)
