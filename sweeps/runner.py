"""Runs a sweep with Ray Tune on this machine."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType
from typing import Any

import ray
from pydantic import ValidationError
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from rich.console import Console

from sweeps.confirm import Confirmation
from sweeps.environment import environment
from sweeps.errors import SweepError, SweepInterrupted, UnknownTrialError
from sweeps.ledger import (
    Ledger,
    Record,
    check_results,
    create_sweep_folder,
    read_ledger,
    running_lock,
)
from sweeps.past import Past
from sweeps.preparation import prepare
from sweeps.progress import Display, announced
from sweeps.ranking import Sweep, load
from sweeps.recorder import BestWeights, Recorder
from sweeps.schedulers import scheduler
from sweeps.search import Search
from sweeps.spec import Confirm, Override, Resources, SweepSpec, load_spec
from sweeps.status import Stage, Status
from sweeps.tracking import Store, Tracker
from sweeps.trainable import GanTrainable
from sweeps.warmstart import earlier_sweep
from sweeps.words import RESULTS

_RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
}


STATES_KEPT = 4
"""Of a trial that a scheduler pauses, or has others take over from, in Ray's working folder."""


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

    sweep: Sweep
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
    quiet: bool = False,
) -> Sweep:
    """Run the sweep that a search-space file describes, and return it.

    Args:
        spec: The file.
        overrides: Values that replace those of the file, by dotted key: ``{"trials": 8}``.
        name: The sweep's name, which must be free; by default the spec's, or the next free ``NAME-2``.
        results: Where sweeps are kept.
        warm_start: An earlier sweep of the same space, whose trials the sampler begins with.
        tracking_uri: Where MLflow keeps runs; by default ``MLFLOW_TRACKING_URI``, or a database in results.
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
    outcome = execute(
        load_spec(spec, settings),
        name=name,
        results=Path(results),
        warm_start=warm_start,
        tracking_uri=tracking_uri,
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
) -> Outcome:
    """Run a sweep to its end, that of its time budget, or SIGINT, SIGTERM or SIGHUP; return how it ended.

    Raises:
        SweepExistsError: The name is taken.
        UnknownSweepError: There is no sweep to start from.
        SweepError: MLflow cannot keep runs there, the sweep to start from is another space's, a trial asks
            for more than there is, ``results`` cannot be written, the dataset cannot be loaded, or a
            component of the user's own does not do what it must; nothing was written.
        SweepInterrupted: A signal came before the sweep had begun; nothing was written.
    """
    check_results(results, name)
    store = Store.chosen(results, tracking_uri)
    earlier = earlier_sweep(spec, warm_start, results) if warm_start else None

    def new_folder() -> Path:
        return create_sweep_folder(results, name or spec.name, exact=name is not None)

    return _run(spec, new_folder, store, console, settings=spec.confirm, earlier=earlier, quiet=quiet)


def resume(
    name: str,
    *,
    trials: int | None,
    time_budget: float | None,
    tracking_uri: str | None = None,
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
    store = Store.chosen(results, tracking_uri, record.facts.get("tracking_uri"))
    searches = bool(past.unfinished) or len(past.rows) < spec.trials
    settings = _unconfirmed(spec, record, searches=searches)
    if not searches and settings is None:
        return Outcome(load(name, results), None, out_of_time=False, tracking_failure=None)
    with running_lock(record.folder):
        pass
    return _run(
        spec,
        lambda: record.folder,
        store,
        console,
        settings=settings,
        past=past,
        searches=searches,
        quiet=quiet,
    )


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
        results: Where sweeps are kept.
        console: Where to show it.
        quiet: Whether to show nothing.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: No trial of it has a score, another process runs it, or what :func:`execute` raises.
        SweepInterrupted: A signal came before anything was trained.
    """
    record = read_ledger(name, results)
    spec = _spec_again(name, record.facts["spec"] | {"time_budget": None})
    store = Store.chosen(results, tracking_uri, record.facts.get("tracking_uri"))
    Sweep(record).finalists(settings.top)
    with running_lock(record.folder):
        pass
    return _run(spec, lambda: record.folder, store, console, settings=settings, searches=False, quiet=quiet)


def _run(
    spec: SweepSpec,
    folder_of: Callable[[], Path],
    store: Store,
    console: Console,
    *,
    settings: Confirm | None,
    earlier: Path | None = None,
    past: Past | None = None,
    searches: bool = True,
    quiet: bool,
) -> Outcome:
    signals, budget = _Signals(), _Budget(spec.time_budget)
    with signals.caught(), _ray(console, quiet=quiet):
        signals.catch()
        resources = _resources(spec.resources)
        signals.check()
        prepare(spec, resources, console, quiet=quiet, check=signals.check)
        folder = folder_of()
        session = _Session(spec, folder, store, resources, [signals, budget], console, quiet=quiet)
        with running_lock(folder), session:
            is_searched = not searches or session.search(earlier, past) is Status.COMPLETED
            if settings and is_searched and signals.number is None:
                session.confirm(settings)
    failures = session.tracking_failure, session.report_failure
    return Outcome(load(folder.name, folder.parent), signals.number, budget.is_over, *failures)


@dataclass(frozen=True)
class _Stage:
    """Trials that Ray Tune runs.

    Args:
        searcher: Says which.
        scheduler: Stops them early.
        past: What an earlier run has done of them.
        n_trials: How many there will be, those of the past included.
        at_once: How many are under way at a time, where it is not as many as fit.
        rule: What is done, in words.
    """

    searcher: Search | Confirmation
    scheduler: TrialScheduler
    past: Past
    n_trials: int
    rule: str
    at_once: int | None = None


class _Session:
    """Trains a sweep's trials, stage by stage, recording them.

    Args:
        spec: The sweep.
        folder: Its folder.
        store: Where MLflow keeps its runs.
        resources: What Ray reserves for a trial.
        ends: What ends it before its end.
        console: Where to show it.
        quiet: Whether to show nothing.

    Attributes:
        tracking_failure: Why MLflow lacks a part of the sweep, or None.
        report_failure: Why the report page was not written, or None.
    """

    def __init__(
        self,
        spec: SweepSpec,
        folder: Path,
        store: Store,
        resources: dict[str, float],
        ends: list[tune.Callback],
        console: Console,
        *,
        quiet: bool,
    ) -> None:
        self._spec = spec
        self._content = spec.model_dump(mode="json")
        self._folder = folder
        self._store = store
        self._resources = resources
        self._ends = ends
        self._console = console
        self._quiet = quiet
        self._tracker: Tracker | None = None
        self.tracking_failure: str | None = None
        self.report_failure: Exception | None = None

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._tracker:
            with announced(self._console, "Writing what is left to MLflow", quiet=self._quiet):
                self._tracker.close()
            self.tracking_failure = self._tracker.failure

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def search(self, earlier: Path | None, past: Past | None) -> Status:
        """Search, and return whether all trials have ended."""
        spec, before = self._spec, past or Past([], {})
        stage = _Stage(
            searcher=Search(spec, self._folder.name, self._folder / "study.db", earlier, past),
            scheduler=scheduler(spec, before),
            past=before,
            n_trials=spec.trials,
            rule=_rule(spec),
            at_once=spec.trials if spec.exchanges else None,
        )
        return self._train(stage, Ledger(self._folder, self._content))

    def confirm(self, settings: Confirm) -> Status:
        """Confirm the best configurations, if there are any, and return whether all trainings have ended."""
        record = read_ledger(self._folder.name, self._folder.parent)
        try:
            finalists = Sweep(record).finalists(settings.top)
        except UnknownTrialError:
            return Status.COMPLETED
        names = [row["trial_id"] for row in finalists]
        past = Past.read(record, Stage.CONFIRM)
        ours = Past([row for row in past.rows if row["of"] in names], past.reports)
        searcher = Confirmation(self._spec, settings, self._folder, finalists, past)
        stage = _Stage(
            searcher=searcher,
            scheduler=FIFOScheduler(),
            past=ours,
            n_trials=searcher.most_trials,
            rule=_confirmation_rule(settings, names),
        )
        facts = {"settings": settings.model_dump(), "finalists": names}
        return self._train(stage, Ledger(self._folder, self._content, facts))

    def _train(self, stage: _Stage, ledger: Ledger) -> Status:
        """Train every trial of a stage, recording it, and return whether all have ended."""
        metric, ended, folder = self._spec.metric[0], stage.past.ended, self._folder
        gpus = ray.cluster_resources().get("GPU", 0)
        ledger.describe({"environment": environment(gpus), "tracking_uri": self._store.kept})
        self._tracker = self._tracker or Tracker(folder, self._store, self._say)
        with Display(
            self._console, folder.name, stage.n_trials, metric, ended=ended.values(), quiet=self._quiet
        ) as display:
            weights = BestWeights(folder, self._spec, stage.past)
            recorder = Recorder(ledger, display, weights, metric.name, len(ended))
            display.say(stage.rule)
            display.say("Starting the first trials")
            try:
                self._tune(stage, recorder)
            except SweepInterrupted:
                display.say("Stopping")
            except _BudgetOver:
                display.say("The time budget is over")
            finally:
                status = _status(stage, recorder)
                recorder.close()
                stage.searcher.close()
                ledger.close(status)
                display.say("Writing the report")
                self.report_failure = _write_report(folder)
        return status

    def _tune(self, stage: _Stage, recorder: Recorder) -> None:
        """Train every trial; what Ray writes on the way is thrown away."""
        if stage.searcher.exhausted:
            return
        slots = _slots(self._resources)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
        with TemporaryDirectory(prefix="gan-sweep-") as working:
            tune.Tuner(
                tune.with_resources(GanTrainable, self._resources),
                tune_config=tune.TuneConfig(
                    search_alg=stage.searcher,
                    scheduler=stage.scheduler,
                    num_samples=-1,
                    max_concurrent_trials=stage.at_once or slots,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.trial_id,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=working,
                    callbacks=[recorder, *self._ends],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, num_to_keep=STATES_KEPT),
                    verbose=0,
                ),
            ).fit()


def _write_report(folder: Path) -> Exception | None:
    """Write the report page, and return why where it was not; that costs no sweep."""
    from sweeps.report import write_report

    try:
        write_report(load(folder.name, folder.parent))
    except Exception as error:  # noqa: BLE001 - shown when the sweep ends
        return error
    return None


def _rule(spec: SweepSpec) -> str:
    """Return what the search goes by, in words."""
    better = "less" if spec.metric[0].goal == "minimize" else "more"
    others = "".join(f", and by {metric.name} ({metric.goal})" for metric in spec.metric[1:])
    return f"Searching by {spec.metric[0].name}, {better} is better, of a trial's best report so far{others}"


def _confirmation_rule(settings: Confirm, names: list[str]) -> str:
    """Return what a confirmation trains, in words."""
    seeds = f"{settings.seeds} fresh seeds"
    if settings.until_resolved:
        seeds += f", up to {settings.looks[-1]} where the best is not told from others"
    return f"Confirming {', '.join(names)} on {seeds}"


def _status(stage: _Stage, recorder: Recorder) -> Status:
    """Return whether all has been done that was to be done."""
    exhausted = stage.searcher.exhausted and not recorder.running
    return Status.COMPLETED if recorder.ended >= stage.n_trials or exhausted else Status.INTERRUPTED


def _resources(resources: Resources) -> dict[str, float]:
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


def _slots(resources: dict[str, float]) -> int:
    """Return how many trials fit at a time."""
    there = ray.cluster_resources()
    return int(min(there[what.upper()] // amount for what, amount in resources.items() if amount))


@contextmanager
def _ray(console: Console, *, quiet: bool) -> Iterator[None]:
    """Run a local Ray without its dashboard, its messages and its usage statistics."""
    os.environ |= _RAY_SETTINGS
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with announced(console, "Starting Ray", quiet=quiet):
        ray.init(
            address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL
        )
    try:
        yield
    finally:
        ray.shutdown()


class _Signals(tune.Callback):
    """Ends a sweep between two steps of Tune's loop after the first SIGINT, SIGTERM or SIGHUP.

    Stopping by Tune's own means would wait for the workers; nothing of theirs is needed any more. A second
    signal has its usual effect.
    """

    _CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number: int | None = None

    def on_step_begin(self, **_info: object) -> None:
        self.check()

    def check(self) -> None:
        """Raise SweepInterrupted where a signal came."""
        if self.number is not None:
            raise SweepInterrupted(self.number)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals until the end of the block.

        Between its start and the next ``catch``, Ray answers SIGTERM by exiting with that number.
        """
        before = {number: signal.getsignal(number) for number in self._CAUGHT}
        self.catch()
        try:
            yield
        except SystemExit as exit_:
            if exit_.code != signal.SIGTERM:
                raise
            raise SweepInterrupted(signal.SIGTERM) from exit_
        finally:
            _set_handlers(before)

    def catch(self) -> None:
        """Catch the signals, again where Ray has installed handlers of its own."""
        _set_handlers(dict.fromkeys(self._CAUGHT, self._note))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        usual = {signal.SIGINT: signal.default_int_handler}
        _set_handlers({number: usual.get(number, signal.SIG_DFL) for number in self._CAUGHT})


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set signal handlers, which only the main thread can."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _BudgetOver(Exception):  # noqa: N818 - an end like another
    """The time that a sweep was given is over."""


class _Budget(tune.Callback):
    """Ends a sweep between two steps of Tune's loop when its time is over; None is no end."""

    def __init__(self, seconds: float | None) -> None:
        self._end = monotonic() + (inf if seconds is None else seconds)
        self.is_over = False

    def on_step_begin(self, **_info: object) -> None:
        if monotonic() > self._end:
            self.is_over = True
            raise _BudgetOver
