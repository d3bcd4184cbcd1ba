"""Run a sweep, on this machine or on a cluster, from the request to its end.

Ray starts while the modules that train with Ray are still being imported.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gan_core.errors import GanCoreError
from sweeps.cluster.storage import Storage, chosen_storage
from sweeps.driver.code_versions import checked_code
from sweeps.driver.disk import check_room, disk_full_as_error
from sweeps.driver.ends import Budget, Signals
from sweeps.driver.log import LOG, event_log
from sweeps.driver.preview import check_sampler, disk_bytes
from sweeps.driver.request import Request
from sweeps.driver.site import prepared_site, running_ray, storage_again
from sweeps.errors import Fault, SpecError, SweepError
from sweeps.record.comparability import IMAGES, check_comparable, check_split
from sweeps.record.layout import check_results, create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.locks import running_lock
from sweeps.record.past import Past
from sweeps.record.reading import Record, check_unchanged, read_ledger, spec_in_effect
from sweeps.record.status import Stage, Status
from sweeps.spec.model import SweepSpec
from sweeps.spec.overrides import Override
from sweeps.spec.reading import check_name, confirm_settings, read_spec
from sweeps.spec.sections import Confirm
from sweeps.tracking.store import Store

if TYPE_CHECKING:
    from sweeps.analysis.sweep import Sweep
    from sweeps.search.warmstart import Earlier


@dataclass(frozen=True)
class Outcome:
    """How a run of a sweep ended.

    Args:
        sweep: The sweep, read from its record.
        signal_number: The signal that stopped the run, or None.
        out_of_time: Whether the time budget stopped the run.
        confirms: Whether a confirmation was asked for.
        tracking_failure: Why MLflow is missing a part of the sweep, or None.
        report_failure: Why the report page was not written, or None.
    """

    sweep: "Sweep"
    signal_number: int | None
    out_of_time: bool
    confirms: bool
    tracking_failure: str | None = None
    report_failure: Exception | None = None


@dataclass(frozen=True)
class _Plan:
    """What one command does with a sweep.

    Args:
        spec: The sweep.
        folder: Returns the sweep's folder, and makes it for a new sweep.
        store: Where MLflow keeps the sweep's runs.
        storage: Where the states of unfinished trials are kept; None for the sweep's folder.
        confirm: How to confirm the best configurations; None for no confirmation.
        past: The trials of earlier runs; None for a new sweep, or where only the confirmation is left.
        earlier: What a new sweep takes from an earlier one, or None.
        searches: Whether there is anything left to search.
        change: What the command changes of an earlier sweep, as :class:`Ledger` takes it.
        compared: What the user asked for, and the facts of the sweep that the new scores are compared with.
        record: The record that the plan rests on; None for a new sweep.
    """

    spec: SweepSpec
    folder: Callable[[], Path]
    store: Store
    storage: Storage | None
    confirm: Confirm | None
    past: Past | None = None
    earlier: "Earlier | None" = None
    searches: bool = True
    change: Mapping[str, Any] | None = None
    compared: tuple[str, Mapping[str, Any]] | None = None
    record: Record | None = None


def execute(
    spec: SweepSpec, request: Request, *, name: str | None = None, warm_start: str | None = None
) -> Outcome:
    """Run a sweep to its end, to the end of its time budget, or to SIGINT, SIGTERM or SIGHUP.

    Args:
        spec: The sweep.
        request: Where it runs, is kept and is shown.
        name: Its name, which must be free; by default the spec's, or the next free ``NAME-2``.
        warm_start: An earlier sweep. The sampler is given its scores if they are comparable; otherwise its
            best configurations are tried first, as far as the space has their values.

    Raises:
        SpecError: The name has a wrong form.
        SweepExistsError: The name is taken.
        DiskFullError: The disk has no room for the sweep, or became full; what was written is whole.
        UnknownSweepError: There is no sweep ``warm_start``.
        SweepError: MLflow cannot keep runs at the tracking URI; ``warm_start`` has nothing for this space; no
            cluster answers, or one of its nodes is missing something; a trial needs more resources than any
            node has; ``results`` cannot be written; the dataset cannot be loaded; or a user's component
            breaks its contract. Nothing was written.
        SweepInterrupted: A signal came before the sweep had begun. Nothing was written.
    """
    results = request.results
    check_name(name)
    check_results(results, name)
    store = Store.chosen(results, request.tracking_uri)
    earlier = _earlier(spec, warm_start, results) if warm_start else None
    check_room(results, disk_bytes(spec))
    plan = _Plan(
        spec,
        lambda: create_sweep_folder(results, name or spec.name, exact=name is not None),
        store,
        chosen_storage(spec.name, request.storage, None, is_cluster=request.is_cluster),
        spec.confirm,
        earlier=earlier,
    )
    return _run(plan, request)


def _earlier(spec: SweepSpec, name: str, results: Path) -> "Earlier":
    from sweeps.search.warmstart import earlier_sweep

    return earlier_sweep(spec, name, results)


RESUME_KEYS = (
    *("checkpoint_every", "confirm", "keep", "resources", "retries"),
    *("time_budget", "trial_timeout", "trials"),
)
"""The keys of a spec that a resumed sweep may change: neither the space nor the scores depend on them."""


def resume_sweep(name: str, request: Request, changes: Sequence[Override] = ()) -> Outcome:
    """Resume a sweep that was stopped in whatever way, or extend one.

    No trial that ended is trained again. A trial that was running resumes from its last checkpoint. The
    sampler and the scheduler are given all earlier reports. A confirmation resumes likewise. A finished sweep
    is left as it is.

    Args:
        name: The sweep.
        request: Where it runs, is kept and is shown; its tracking URI and its storage default to those of
            before.
        changes: Values that replace those of the spec, of :data:`RESUME_KEYS`; ``trials`` is the number of
            trials in all. An earlier time budget is over: without a new one, the run has no end.

    Raises:
        UnknownSweepError: There is no such sweep.
        SpecError: A change has a fault.
        SweepError: Another process runs it, or as for :func:`execute`.
        SweepInterrupted: A signal came before the sweep was resumed.
    """
    record = read_ledger(name, request.results)
    spec, changed = _changed_spec(name, spec_in_effect(record.facts), changes)
    past = Past.read(record)
    is_closed = record.facts["status"] == Status.COMPLETED
    searches = bool(past.unfinished) or len(past.rows) < spec.max_trials or not is_closed
    confirm = spec.confirm if "confirm" in changed else _unconfirmed(spec, record, searches=searches)
    if not searches and confirm is None:
        return Outcome(_load(record.folder), None, out_of_time=False, confirms=False)
    change = {"command": "resume"} | changed
    return _continue(record, spec, confirm, past if searches else None, request, change)


def confirm_sweep(name: str, options: Mapping[str, Any], request: Request) -> Outcome:
    """Train the best configurations of a sweep, and the defaults, again on fresh seeds.

    What an earlier confirmation has trained is not trained again. If nothing is left to train, Ray does not
    start.

    Args:
        name: The sweep.
        options: Settings of :class:`Confirm` by name, in place of the sweep's own; None for the sweep's own.
        request: Where it runs, is kept and is shown; its tracking URI and its storage default to those of
            before.

    Raises:
        UnknownSweepError: There is no such sweep.
        SpecError: An option has a fault.
        SweepError: No trial of the sweep has a score, another process runs it, or as for :func:`execute`.
        SweepInterrupted: A signal came before anything was trained.
    """
    from sweeps.analysis.sweep import Sweep
    from sweeps.search.trainings import Trainings

    record = read_ledger(name, request.results)
    content = spec_in_effect(record.facts) | {"time_budget": None}
    settings = confirm_settings(content.get("confirm"), options)
    spec = _valid_spec(name, content)
    finalists = [row["trial_id"] for row in Sweep(record).finalists(settings.top)]
    change = {"command": "confirm", "settings": settings.model_dump()}
    trainings = Trainings(spec, settings, finalists, record.facts)
    trainings.replay(record.replicas)
    if next(trainings.needed(), None) is None:
        return _confirm_without_training(record, settings, finalists, change)
    return _continue(record, spec, settings, None, request, change)


def _confirm_without_training(
    record: Record, settings: Confirm, finalists: list[str], change: Mapping[str, Any]
) -> Outcome:
    """Record a confirmation with all its trainings from earlier ones, unless it is a part of the last one."""
    from sweeps.analysis.contest import begun, has_result_of
    from sweeps.report.page import try_to_write_report

    folder, failure = record.folder, None
    if not has_result_of(record.facts, settings, finalists):
        with disk_full_as_error(folder), running_lock(folder):
            check_unchanged(record)
            facts = begun(record.facts, settings, finalists)
            Ledger(folder, record.facts["spec"], facts, change).close(Status.COMPLETED)
            failure = try_to_write_report(folder)
    return Outcome(_load(folder), None, out_of_time=False, confirms=True, report_failure=failure)


def _continue(
    record: Record,
    spec: SweepSpec,
    confirm: Confirm | None,
    past: Past | None,
    request: Request,
    change: Mapping[str, Any],
) -> Outcome:
    """Continue the search if ``past`` is given, and confirm if ``confirm`` is given."""
    folder = record.folder
    store = Store.chosen(folder.parent, request.tracking_uri, record.facts.get("tracking_uri"))
    with running_lock(folder):
        pass
    update = {"confirm": confirm} | ({} if past else {"trials": len(record.trials)})
    to_do = spec.model_copy(update=update)
    check_room(folder.parent, disk_bytes(to_do, n_ended=_n_ended(to_do, record)))
    storage = storage_again(record, request)
    plan = _Plan(
        spec,
        lambda: folder,
        store,
        storage,
        confirm,
        past,
        searches=past is not None,
        change=change,
        compared=(f"{change['command']} {folder.name}", record.facts),
        record=record,
    )
    return _run(plan, request)


def _n_ended(spec: SweepSpec, record: Record) -> int:
    """Return how many of a sweep's trainings need not be trained again."""
    ended = {stage: len(Past(record.of_stage(stage), {}).ended) for stage in Stage}
    return min(ended[Stage.SEARCH], spec.trials) + (ended[Stage.CONFIRM] if spec.confirm else 0)


def _unconfirmed(spec: SweepSpec, record: Record, *, searches: bool) -> Confirm | None:
    """Return what is still to be confirmed: an interrupted confirmation, else what the file asks for."""
    confirmation = record.facts.get("confirmation")
    if confirmation and confirmation["status"] != Status.COMPLETED:
        return Confirm.model_validate(confirmation["settings"])
    return spec.confirm if searches or not confirmation else None


def _changed_spec(
    name: str, before: Mapping[str, Any], changes: Sequence[Override]
) -> tuple[SweepSpec, dict[str, Any]]:
    """Return the spec of a resumed sweep, and the values that the command sets, by key of the spec.

    Raises:
        SpecError: A change has a fault, or changes what is searched.
    """
    faults = [
        Fault(change.place, f"resume cannot change {change.path[0]}; allowed: {', '.join(RESUME_KEYS)}")
        for change in changes
        if change.path[0] not in RESUME_KEYS
    ]
    if faults:
        raise SpecError(faults)
    if not changes:
        spec = _valid_spec(name, {**before, "time_budget": None})
    else:
        given = {key: value for key, value in before.items() if value is not None and key != "time_budget"}
        spec, _ = read_spec(given, changes)
    content = spec.model_dump(mode="json")
    return spec, {key: content[key] for key in ("time_budget", *(change.path[0] for change in changes))}


def _valid_spec(name: str, content: Mapping[str, Any]) -> SweepSpec:
    """Return the spec that a record holds.

    Raises:
        SweepError: The spec is no longer valid: its folder of images or a user's module is missing.
    """
    try:
        spec = SweepSpec.model_validate(content)
        _ = spec.space
    except ValidationError as error:
        details = "; ".join(
            detail["msg"].removeprefix("Value error, ") for detail in error.errors(include_url=False)
        )
        raise SweepError(f"the sweep {name} cannot be resumed: {details}") from None
    except GanCoreError as error:
        raise SweepError(f"the sweep {name} cannot be resumed: {error}") from None
    return spec


def _run(plan: _Plan, request: Request) -> Outcome:
    if plan.compared:
        check_split(*plan.compared)
    if plan.searches:
        check_sampler(plan.spec)
    subject = plan.compared[0] if plan.compared else plan.spec.name
    code = checked_code(plan.spec, request, plan.record, subject)
    signals, budget = Signals(), Budget(plan.spec.time_budget)
    with signals.caught(), event_log(request.terminal) as log, running_ray(plan.spec, request, code):
        signals.catch()
        before = plan.compared[1].get(IMAGES) if plan.compared else None
        site = prepared_site(
            plan.spec, plan.storage, request, code, check=signals.check, recorded_images=before
        )
        if plan.compared:
            check_comparable(*plan.compared, site.measure)
        earlier = plan.earlier and plan.earlier.measured(site.measure)
        if earlier and earlier.sentence:
            request.terminal.say(earlier.sentence)
        folder = plan.folder()
        from sweeps.driver.session import Session

        session = Session(plan.spec, folder, plan.store, site, [signals, budget], request, plan.change)
        with disk_full_as_error(folder), session, running_lock(folder):
            if plan.record:
                check_unchanged(plan.record)
            log.keep_in(folder)
            is_done = not plan.searches or session.search(earlier, plan.past) is Status.COMPLETED
            if plan.confirm and is_done and signals.number is None:
                is_done = session.confirm(plan.confirm) is Status.COMPLETED
            if is_done:
                session.tidy()
        if session.tracking_failure:
            LOG.warning(f"MLflow is missing a part of this sweep: {session.tracking_failure}")
        if session.report_failure:
            LOG.warning(f"the report page was not written: {session.report_failure}")
    failures = session.tracking_failure, session.report_failure
    return Outcome(_load(folder), signals.number, budget.is_over, plan.confirm is not None, *failures)


def _load(folder: Path) -> "Sweep":
    from sweeps.analysis.loading import load

    return load(folder.name, folder.parent)
