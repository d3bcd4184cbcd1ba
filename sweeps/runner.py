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
from filelock import FileLock, Timeout
from pydantic import ValidationError
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from rich.console import Console

from sweeps.environment import environment
from sweeps.errors import SweepError, SweepInterrupted
from sweeps.ledger import (
    Ledger,
    Trial,
    check_results,
    checkpoint_file,
    create_sweep_folder,
    read_ledger,
    samples_file,
)
from sweeps.past import Past
from sweeps.preparation import prepare
from sweeps.progress import Display, announced
from sweeps.ranking import RESULTS, Sweep, load
from sweeps.schedulers import scheduler
from sweeps.search import Search, status_of, trial_of
from sweeps.spec import Override, Resources, SweepSpec, load_spec
from sweeps.status import Status
from sweeps.tracking import Tracker
from sweeps.trainable import GanTrainable
from sweeps.warmstart import earlier_sweep

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
        tracking_failure: The first error of MLflow's, or None.
        report_failure: Why its report page was not written, or None.
    """

    sweep: Sweep
    signal_number: int | None
    out_of_time: bool
    tracking_failure: Exception | None
    report_failure: Exception | None = None


def run(
    spec: Path | str,
    *,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    results: Path | str = RESULTS,
    warm_start: str | None = None,
    quiet: bool = False,
) -> Sweep:
    """Run the sweep that a search-space file describes, and return it.

    Args:
        spec: The file.
        overrides: Values that replace those of the file, by dotted key: ``{"trials": 8}``.
        name: The sweep's name, which must be free; by default the spec's, or the next free ``NAME-2``.
        results: Where sweeps are kept.
        warm_start: An earlier sweep of the same space, whose trials the sampler begins with.
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
) -> Outcome:
    """Run a sweep to its end, that of its time budget, or SIGINT, SIGTERM or SIGHUP; return how it ended.

    Raises:
        SweepExistsError: The name is taken.
        UnknownSweepError: There is no sweep to start from.
        SweepError: The sweep to start from is another space's, a trial asks for more than there is,
            ``results`` cannot be written, the dataset cannot be loaded, or a component of the user's own does
            not do what it must; nothing was written.
        SweepInterrupted: A signal came before the sweep had begun; nothing was written.
    """
    check_results(results, name)
    earlier = earlier_sweep(spec, warm_start, results) if warm_start else None

    def new_folder() -> Path:
        return create_sweep_folder(results, name or spec.name, exact=name is not None)

    return _run(spec, new_folder, console, earlier=earlier, quiet=quiet)


def resume(
    name: str,
    *,
    trials: int | None,
    time_budget: float | None,
    results: Path,
    console: Console,
    quiet: bool,
) -> Outcome:
    """Go on with a sweep that was stopped, in whatever way, or extend one; return how it ended.

    No trial that ended is trained again, one that was running goes on from its last checkpoint, and the
    sampler and the scheduler know all that was reported. A sweep that is finished is left as it is.

    Args:
        name: The sweep's name.
        trials: How many trials it shall have in all; as many as before where it is not given.
        time_budget: Seconds until it ends; no end where it is not given.
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
    if not past.unfinished and len(past.rows) >= spec.trials:
        return Outcome(load(name, results), None, out_of_time=False, tracking_failure=None)
    with _locked(record.folder):
        pass
    return _run(spec, lambda: record.folder, console, past=past, quiet=quiet)


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


def _run(
    spec: SweepSpec,
    folder_of: Callable[[], Path],
    console: Console,
    *,
    earlier: Path | None = None,
    past: Past | None = None,
    quiet: bool,
) -> Outcome:
    signals, budget = _Signals(), _Budget(spec.time_budget)
    with signals.caught(), _ray(console, quiet=quiet):
        signals.catch()
        resources = _resources(spec.resources)
        signals.check()
        prepare(spec, resources, console, quiet=quiet, check=signals.check)
        folder = folder_of()
        with _locked(folder):
            search = Search(spec, folder.name, folder / "study.db", earlier, past)
            failures = _train(spec, folder, resources, search, past, [signals, budget], console, quiet=quiet)
    return Outcome(load(folder.name, folder.parent), signals.number, budget.is_over, *failures)


def _train(
    spec: SweepSpec,
    folder: Path,
    resources: dict[str, float],
    search: Search,
    past: Past | None,
    ends: list[tune.Callback],
    console: Console,
    *,
    quiet: bool,
) -> tuple[Exception | None, Exception | None]:
    """Train every trial, recording it; return what MLflow and the report page lack their part of it for."""
    content, metric = spec.model_dump(mode="json"), spec.metric[0]
    ledger, before = Ledger(folder, content), past or Past([], {})
    ledger.describe({"environment": environment(ray.cluster_resources().get("GPU", 0))})
    ended = before.ended
    tracker = Tracker(folder.parent, folder.name, content, metric, ended if past else None)
    with Display(console, folder.name, spec.trials, metric, ended=ended.values(), quiet=quiet) as display:
        recorder = _Recorder(ledger, tracker, display, folder, metric.name, before)
        display.say(_rule(spec))
        display.say("Starting the first trials")
        try:
            _tune(spec, resources, search, before, [recorder, *ends])
        except SweepInterrupted:
            display.say("Stopping")
        except _BudgetOver:
            display.say("The time budget is over")
        finally:
            status = _status(spec, search, recorder)
            recorder.close()
            search.close()
            ledger.close(status)
            display.say("Writing the report")
            report_failure = _write_report(folder)
            display.say("Writing what is left to MLflow")
            tracker.close(status)
    return tracker.failure, report_failure


def _write_report(folder: Path) -> Exception | None:
    """Write the report page, and return why where it was not; that costs no sweep."""
    from sweeps.report import write_report

    try:
        write_report(load(folder.name, folder.parent))
    except Exception as error:  # noqa: BLE001 - shown when the sweep ends
        return error
    return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from running the same sweep; one that died keeps nobody.

    Raises:
        SweepError: Another process runs it.
    """
    try:
        with FileLock(folder / "running.lock", blocking=False):
            yield
    except Timeout:
        raise SweepError(f"the sweep {folder.name} is running in another process") from None


def _rule(spec: SweepSpec) -> str:
    """Return what the search goes by, in words."""
    better = "less" if spec.metric[0].goal == "minimize" else "more"
    others = "".join(f", and by {metric.name} ({metric.goal})" for metric in spec.metric[1:])
    return f"Searching by {spec.metric[0].name}, {better} is better, of a trial's best report so far{others}"


def _status(spec: SweepSpec, search: Search, recorder: "_Recorder") -> Status:
    """Return whether a sweep has done all that it was to do."""
    all_ended = recorder.ended >= spec.trials or (search.exhausted and not recorder.running)
    return Status.COMPLETED if all_ended else Status.INTERRUPTED


def _tune(
    spec: SweepSpec,
    resources: dict[str, float],
    search: Search,
    past: Past,
    callbacks: list[tune.Callback],
) -> None:
    """Train every trial; what Ray writes on the way is thrown away."""
    slots = _slots(resources)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
    with TemporaryDirectory(prefix="gan-sweep-") as working:
        _tuner(spec, resources, slots, search, past, callbacks, working).fit()


def _tuner(
    spec: SweepSpec,
    resources: dict[str, float],
    slots: int,
    search: Search,
    past: Past,
    callbacks: list[tune.Callback],
    working: str,
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(GanTrainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=scheduler(spec, past),
            num_samples=-1,
            max_concurrent_trials=spec.trials if spec.exchanges else slots,
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="sweep",
            storage_path=working,
            callbacks=callbacks,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, num_to_keep=STATES_KEPT),
            verbose=0,
        ),
    )


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


class _Recorder(tune.Callback):
    """Passes what happens to trials on: to the ledger first, then to those who show it."""

    def __init__(
        self,
        ledger: Ledger,
        tracker: Tracker,
        display: Display,
        folder: Path,
        metric: str,
        past: Past,
    ) -> None:
        self._past = past
        self._metric = metric
        self._ledger = ledger
        self._tracker = tracker
        self._display = display
        self._folder = folder
        self._running: dict[str, Trial] = {}
        self._scores: dict[str, float] = {}
        self.ended = len(past.ended)

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out: Tune saves its callbacks for a restore that is not used here."""
        return {}

    def on_trial_start(self, trial: TuneTrial, **_info: object) -> None:
        if trial.trial_id in self._running:
            return
        started = trial_of(trial.config)
        self._running[trial.trial_id] = started
        self._ledger.start(started)
        self._tracker.start(started)
        self._display.start(started)

    def on_trial_result(self, trial: TuneTrial, result: dict[str, Any], **_info: object) -> None:
        samples = result.pop("samples", None)
        if samples is None:
            return
        self._note_take_over(trial, result)
        reporting, step, metrics = self._running[trial.trial_id], result["step"], result["metrics"]
        if not self._scores:
            self._ledger.describe({key: result[key] for key in ("floors", "extractor")})
        self._scores[trial.trial_id] = result["score"]
        grid = samples_file(self._folder, reporting.trial_id, step)
        grid.parent.mkdir(exist_ok=True)
        grid.write_bytes(samples)
        self._ledger.report(reporting.trial_id, step, metrics, result["score"], result["flags"])
        if step > self._past.last_step(reporting.trial_id):
            self._tracker.report(reporting, step, metrics, samples)
        self._display.report(reporting, step, metrics[self._metric])

    def _note_take_over(self, trial: TuneTrial, result: Mapping[str, Any]) -> None:
        """Record that a trial has changed, once a result was made with what it is now."""
        now = trial_of(result["config"])
        if now != self._running[trial.trial_id]:
            self._running[trial.trial_id] = now
            self._ledger.take_over(now, result["donor"], result["donor_step"])
            self._tracker.take_over(now, result["donor"], result["donor_step"])
            self._display.take_over(now, result["donor"], result["donor_step"])

    def on_trial_complete(self, trial: TuneTrial, **_info: object) -> None:
        self.ended += 1
        result = trial.last_result
        self._end(trial.trial_id, status_of(result), result.get("reason"), final=result.get("final"))

    def on_trial_error(self, trial: TuneTrial, **_info: object) -> None:
        if trial.trial_id not in self._running:
            self.on_trial_start(trial)
        self.ended += 1
        traceback = Path(trial.error_file).read_text(encoding="utf-8")
        self._end(trial.trial_id, Status.CRASHED, traceback.strip().splitlines()[-1], traceback)

    @property
    def running(self) -> int:
        """How many trials are running."""
        return len(self._running)

    def close(self) -> None:
        """Record that the trials still running were interrupted."""
        for tune_id in list(self._running):
            self._end(tune_id, Status.INTERRUPTED)

    def _end(
        self,
        tune_id: str,
        status: Status,
        reason: str | None = None,
        traceback: str | None = None,
        final: dict[str, float] | None = None,
    ) -> None:
        trial, score = self._running.pop(tune_id), self._scores.get(tune_id)
        self._ledger.end(trial.trial_id, status, reason, traceback, final)
        self._tracker.end(trial, status, score, final)
        if status is not Status.INTERRUPTED:
            checkpoint_file(self._folder, trial.trial_id).unlink(missing_ok=True)
        self._display.end(trial, status, final.get(self._metric, score) if final else score, reason)
