"""Train the trials of a sweep with Ray Tune: first the search, then the confirmation."""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from sweeps.analysis.contest import begun
from sweeps.analysis.sweep import Sweep
from sweeps.cluster import nodes
from sweeps.cluster.remote import on_each_node
from sweeps.cluster.resources import alive, slots
from sweeps.cluster.trainable import GanTrainable
from sweeps.driver.code_versions import CodeVersions
from sweeps.driver.ends import Budget, BudgetOver, Signals
from sweeps.driver.environment import environment
from sweeps.driver.managing import this_process
from sweeps.driver.progress import Display
from sweeps.driver.recorder import Recorder
from sweeps.driver.request import Request
from sweeps.driver.site import Site
from sweeps.errors import SweepError, SweepInterrupted, UnknownTrialError
from sweeps.record.ledger import FIRST_POINTS, WARM_START, Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_facts, read_ledger
from sweeps.record.status import Stage, Status
from sweeps.search.confirmation import Confirmation, asked_for
from sweeps.search.schedulers import scheduler
from sweeps.search.searcher import Search
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Confirm
from sweeps.tracking.store import Store
from sweeps.tracking.tracker import Tracker

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    from sweeps.search.warmstart import Earlier

LOG = logging.getLogger("sweeps")

STATES_KEPT = 4
"""Checkpoints in Ray's working folder of a trial that is paused, or that other trials continue from."""


@dataclass(frozen=True)
class _Stage:
    """The trials of a search or of a confirmation.

    Args:
        searcher: Suggests the trials.
        scheduler: Stops trials early.
        past: The trials of earlier runs.
        n_trials: The number of trials, those of earlier runs included.
        rule: What the trials are compared by, for the user.
        at_once: The number of trials at a time; None for as many as fit.
        remarks: What was damaged and repaired, for the user.
    """

    searcher: Search | Confirmation
    scheduler: TrialScheduler
    past: Past
    n_trials: int
    rule: str
    at_once: int | None = None
    remarks: Sequence[str] = ()


class Session:
    """Trains and records the trials of a sweep.

    Args:
        spec: The sweep.
        folder: The sweep's folder.
        store: Where MLflow keeps the sweep's runs.
        site: Where the trials run.
        ends: What can stop the sweep before its last trial.
        request: Where the sweep is shown.
        change: What the command changes of an earlier sweep, as :class:`Ledger` takes it.

    Attributes:
        tracking_failure: Why MLflow is missing a part of the sweep, or None.
        report_failure: Why the report page was not written, or None.
    """

    def __init__(
        self,
        spec: SweepSpec,
        folder: Path,
        store: Store,
        site: Site,
        ends: Sequence[Signals | Budget],
        request: Request,
        change: Mapping[str, Any] | None = None,
    ) -> None:
        self._spec = spec
        self._change = change
        self._content = spec.model_dump(mode="json")
        self._folder = folder
        self._store = store
        self._site = site
        self._ends = ends
        self._terminal = request.terminal
        self._on_report = request.on_report
        self._tracker: Tracker | None = None
        self.tracking_failure: str | None = None
        self.report_failure: Exception | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        if self._tracker:
            with self._terminal.announced("Uploading the last results to MLflow"):
                self._tracker.close(is_hurried=self._is_stopped, after_error=kind is not None)
            self.tracking_failure = self._tracker.failure

    def _is_stopped(self) -> bool:
        """Return whether a signal stopped the sweep."""
        return any(isinstance(end, Signals) and end.number is not None for end in self._ends)

    def _track(self) -> None:
        """Start the uploads to MLflow, once."""
        self._tracker = self._tracker or Tracker(self._folder, self._store, self._terminal.say)

    def search(self, earlier: "Earlier | None", past: Past | None) -> Status:
        """Search, and return COMPLETED once all trials have ended, else INTERRUPTED."""
        spec, before = self._spec, past or Past([], {})
        ledger = Ledger(
            self._folder,
            self._content,
            change=self._change,
            warm_start=earlier.scores_for(spec) if earlier else (),
            first_points=earlier.first_points if earlier else (),
        )
        facts, name = read_facts(self._folder), self._folder.name
        given, first = (facts.get(key, []) for key in (WARM_START, FIRST_POINTS))
        searcher = Search(
            spec, name, self._folder, given, past, facts.get("extractor"), self._time_used, first
        )
        stage = _Stage(
            searcher=searcher,
            scheduler=scheduler(spec, before),
            past=before,
            n_trials=spec.trials,
            rule=_rule(spec),
            at_once=spec.trials if spec.is_population_based else None,
            remarks=[ledger.restored] if ledger.restored else [],
        )
        return self._train(stage, ledger)

    def _time_used(self) -> float:
        """Return the share of the time budget that is used up."""
        return max((end.used for end in self._ends if isinstance(end, Budget)), default=0.0)

    def confirm(self, settings: Confirm) -> Status:
        """Confirm the best configurations, if any, and return COMPLETED once all trainings have ended."""
        record = read_ledger(self._folder.name, self._folder.parent)
        try:
            finalists = Sweep(record).finalists(settings.top)
        except UnknownTrialError as error:
            self._terminal.say(f"Nothing to confirm: {error}")
            return Status.COMPLETED
        names = [row["trial_id"] for row in finalists]
        past = Past.read(record, Stage.CONFIRM)
        ours = asked_for(past, settings, names)
        facts = begun(record.facts, settings, names)
        ledger = Ledger(self._folder, self._content, facts, self._change)
        searcher = Confirmation(self._spec, settings, self._folder, finalists, past, record.facts)
        stage = _Stage(
            searcher=searcher,
            scheduler=FIFOScheduler(),
            past=ours,
            n_trials=searcher.most_trials,
            rule=_confirmation_rule(settings, names),
            remarks=[ledger.restored] if ledger.restored else [],
        )
        return self._train(stage, ledger)

    def _train(self, stage: _Stage, ledger: Ledger) -> Status:
        """Train and record every trial of a stage, and return COMPLETED once all have ended."""
        metric, folder = self._spec.metric[0], self._folder
        gpus, storage = ray.cluster_resources().get("GPU", 0), self._site.storage
        n_nodes = len(alive()) if self._site.is_cluster else None
        facts: dict[str, Any] = {"environment": environment(gpus, n_nodes), "tracking_uri": self._store.kept}
        LOG.debug(", ".join(f"{name} {value}" for name, value in facts["environment"].items()))
        facts |= {"process": this_process(), "most_steps": self._spec.most_steps}
        facts |= {"storage": storage and asdict(storage)}
        if self._site.warnings:
            facts["warnings"] = list(self._site.warnings)
        ledger.describe(facts)
        constraints = self._spec.parsed_constraints
        display = Display(self._terminal, folder.name, stage.n_trials, metric, stage.past, constraints)
        with display:
            shared = ledger, display, stage.searcher, self._spec, stage.past, storage, self._on_report
            recorder = Recorder(*shared, CodeVersions(ledger, self._site.code), self._is_stopped)
            for remark in stage.remarks:
                display.say(remark)
            display.say(stage.rule)
            display.say("Starting the first trials")
            try:
                self._tune(stage, recorder)
                recorder.check()
            except SweepInterrupted as signalled:
                LOG.warning(f"received {signal.Signals(signalled.signal_number).name}")
                display.say("Stopping")
            except BudgetOver:
                display.say("The time budget is used up")
            except BaseException:
                ledger.abandon()
                raise
            status = _status(stage, recorder)
            LOG.info(f"{recorder.ended} of {stage.n_trials} trials have ended: {status.words}")
            recorder.close(status)
            self._track()
            ledger.close(status)
            stage.searcher.close()
            from sweeps.report.page import try_to_write_report

            display.say("Writing the report")
            self.report_failure = try_to_write_report(folder)
        return status

    def _tune(self, stage: _Stage, recorder: Recorder) -> None:
        """Train every trial; Ray's own files are deleted afterwards."""
        if stage.searcher.exhausted:
            return
        site = self._site
        n_slots = slots(site.resources)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(n_slots)
        trainable = tune.with_parameters(
            GanTrainable,
            storage=site.storage,
            loaded=site.loaded,
            trial_timeout=self._spec.trial_timeout,
            gpus=site.resources["gpu"],
        )
        with self._working_folder() as (system, working):
            tune.Tuner(
                tune.with_resources(trainable, site.resources),
                tune_config=tune.TuneConfig(
                    search_alg=stage.searcher,
                    scheduler=stage.scheduler,
                    num_samples=-1,
                    max_concurrent_trials=stage.at_once or n_slots,
                    reuse_actors=not self._spec.fresh_worker,
                    trial_name_creator=lambda trial: trial.trial_id,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=working,
                    storage_filesystem=system,
                    callbacks=[
                        recorder,
                        _StopChecks(
                            self._track, [each.check for each in (recorder, stage.searcher, *self._ends)]
                        ),
                    ],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, num_to_keep=STATES_KEPT),
                    verbose=0,
                ),
            ).fit()

    @contextmanager
    def _working_folder(self) -> "Iterator[tuple[FileSystem | None, str]]":
        """Yield a temporary folder for Ray Tune, on the storage if several nodes exchange states.

        Workers may still write into the folder while it is deleted.
        """
        site = self._site
        if site.is_cluster and site.storage and site.storage.uri and self._spec.is_population_based:
            yield site.storage.working_folder()
            return
        with TemporaryDirectory(prefix="gan-sweep-", ignore_cleanup_errors=True) as working:
            yield None, working

    def tidy(self) -> None:
        """Delete what an ended sweep has left outside of its folder, and report what cannot be deleted."""
        storage = self._site.storage
        if storage is None:
            return
        try:
            storage.clear()
            on_each_node(nodes.forget, storage, check=lambda: None)
        except (OSError, SweepError) as error:
            self._terminal.say(f"Files of this sweep are left on its nodes or in its storage: {error}")


class _StopChecks(tune.Callback):
    """Stops Ray Tune's loop from within, and starts the uploads at the first report.

    Until the first report, the workers need the cores.

    Args:
        on_report: Called when a trial has reported.
        checks: Called between two steps of the loop; an exception of theirs ends it.
    """

    def __init__(self, on_report: Callable[[], None], checks: Sequence[Callable[[], None]]) -> None:
        self._on_report = on_report
        self._checks = checks

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its callbacks for a restore that is not used here."""
        return {}

    def on_step_begin(self, **_info: object) -> None:
        for check in self._checks:
            check()

    def on_trial_result(self, **_info: object) -> None:
        self._on_report()


def _rule(spec: SweepSpec) -> str:
    """Return the metrics that the search compares trials by, for the user."""
    better = "less" if spec.metric[0].goal == "minimize" else "more"
    others = "".join(f", and by {metric.name} ({metric.goal})" for metric in spec.metric[1:])
    bounds = f"; a trial must meet {' and '.join(spec.constraints)}" if spec.constraints else ""
    rule = f"Comparing trials by the {spec.metric[0].name} of their best report, {better} is better"
    return f"{rule}{others}{bounds}"


def _confirmation_rule(settings: Confirm, names: list[str]) -> str:
    """Return what a confirmation trains, for the user."""
    seeds = f"{settings.seeds} fresh seeds"
    if settings.until_resolved:
        seeds += f", up to {settings.looks[-1]} while the order is open"
    return f"Confirming {', '.join(names)} on {seeds}"


def _status(stage: _Stage, recorder: Recorder) -> Status:
    """Return COMPLETED if the stage has no trials left, else INTERRUPTED."""
    exhausted = stage.searcher.exhausted and not recorder.running
    return Status.COMPLETED if recorder.ended >= stage.n_trials or exhausted else Status.INTERRUPTED
