"""Trains the trials of a sweep with Ray Tune, stage by stage."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from rich.console import Console

from sweeps.analysis.loading import load
from sweeps.analysis.sweep import Sweep
from sweeps.cluster import nodes
from sweeps.cluster.connection import take_ready_workers
from sweeps.cluster.remote import on_each_node
from sweeps.cluster.resources import alive, slots
from sweeps.cluster.trainable import GanTrainable
from sweeps.driver.ends import Budget, BudgetOver, Signals
from sweeps.driver.environment import environment
from sweeps.driver.progress import Display, announced
from sweeps.driver.recorder import BestWeights, Recorder
from sweeps.driver.site import Site
from sweeps.errors import SweepError, SweepInterrupted, UnknownTrialError
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_facts, read_ledger
from sweeps.record.status import Stage, Status
from sweeps.search.confirmation import Confirmation, asked_for
from sweeps.search.replay import WARM_START
from sweeps.search.schedulers import scheduler
from sweeps.search.searcher import Search
from sweeps.search.warmstart import scored_trials
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Confirm
from sweeps.tracking.store import Store
from sweeps.tracking.tracker import Tracker

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

STATES_KEPT = 4
"""Of a trial that a scheduler pauses, or has others take over from, in Ray's working folder."""


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
        remarks: What was found damaged, and what of it was lost.
    """

    searcher: Search | Confirmation
    scheduler: TrialScheduler
    past: Past
    n_trials: int
    rule: str
    at_once: int | None = None
    remarks: Sequence[str] = ()


class Session:
    """Trains a sweep's trials, stage by stage, recording them.

    Args:
        spec: The sweep.
        folder: Its folder.
        store: Where MLflow keeps its runs.
        site: Where its trials run.
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
        site: Site,
        ends: Sequence[Signals | Budget],
        console: Console,
        *,
        quiet: bool,
    ) -> None:
        self._spec = spec
        self._content = spec.model_dump(mode="json")
        self._folder = folder
        self._store = store
        self._site = site
        self._ends = ends
        self._console = console
        self._quiet = quiet
        self._tracker: Tracker | None = None
        self.tracking_failure: str | None = None
        self.report_failure: Exception | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._tracker:
            with announced(self._console, "Writing what is left to MLflow", quiet=self._quiet):
                self._tracker.close(is_hurried=self._is_stopped)
            self.tracking_failure = self._tracker.failure

    def _is_stopped(self) -> bool:
        """Return whether a signal came."""
        return any(isinstance(end, Signals) and end.number is not None for end in self._ends)

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _track(self) -> None:
        """Have MLflow follow, once."""
        self._tracker = self._tracker or Tracker(self._folder, self._store, self._say)

    def search(self, earlier: Path | None, past: Past | None) -> Status:
        """Search, and return whether all trials have ended."""
        spec, before = self._spec, past or Past([], {})
        ledger = Ledger(self._folder, self._content)
        if earlier is not None:
            ledger.describe({WARM_START: scored_trials(spec, earlier)})
        given = read_facts(self._folder).get(WARM_START, [])
        searcher = Search(spec, self._folder.name, self._folder, given, past)
        stage = _Stage(
            searcher=searcher,
            scheduler=scheduler(spec, before),
            past=before,
            n_trials=spec.trials,
            rule=_rule(spec),
            at_once=spec.trials if spec.is_population_based else None,
            remarks=[ledger.repaired] if ledger.repaired else [],
        )
        return self._train(stage, ledger)

    def confirm(self, settings: Confirm) -> Status:
        """Confirm the best configurations, if there are any, and return whether all trainings have ended."""
        record = read_ledger(self._folder.name, self._folder.parent)
        try:
            finalists = Sweep(record).finalists(settings.top)
        except UnknownTrialError:
            return Status.COMPLETED
        names = [row["trial_id"] for row in finalists]
        past = Past.read(record, Stage.CONFIRM)
        ours = asked_for(past, settings, names)
        facts = {"settings": settings.model_dump(), "finalists": names}
        ledger = Ledger(self._folder, self._content, facts)
        searcher = Confirmation(self._spec, settings, self._folder, finalists, past)
        stage = _Stage(
            searcher=searcher,
            scheduler=FIFOScheduler(),
            past=ours,
            n_trials=searcher.most_trials,
            rule=_confirmation_rule(settings, names),
            remarks=[ledger.repaired] if ledger.repaired else [],
        )
        return self._train(stage, ledger)

    def _train(self, stage: _Stage, ledger: Ledger) -> Status:
        """Train every trial of a stage, recording it, and return whether all have ended."""
        metric, ended, folder = self._spec.metric[0], stage.past.ended, self._folder
        gpus, storage = ray.cluster_resources().get("GPU", 0), self._site.storage
        n_nodes = len(alive()) if self._site.is_cluster else None
        facts = {"environment": environment(gpus, n_nodes), "tracking_uri": self._store.kept}
        ledger.describe(facts | {"storage": storage and asdict(storage)})
        with Display(
            self._console, folder.name, stage.n_trials, metric, ended=ended.values(), quiet=self._quiet
        ) as display:
            weights = BestWeights(folder, self._spec, stage.past)
            recorder = Recorder(ledger, display, weights, stage.searcher, self._spec, len(ended), storage)
            for remark in stage.remarks:
                display.say(remark)
            display.say(stage.rule)
            display.say("Starting the first trials")
            try:
                self._tune(stage, recorder)
                recorder.check()
            except SweepInterrupted:
                display.say("Stopping")
            except BudgetOver:
                display.say("The time budget is over")
            except BaseException:
                ledger.abandon()
                raise
            status = _status(stage, recorder)
            recorder.close()
            self._track()
            ledger.close(status)
            stage.searcher.close()
            display.say("Writing the report")
            self.report_failure = _write_report(folder)
        return status

    def _tune(self, stage: _Stage, recorder: Recorder) -> None:
        """Train every trial; what Ray writes on the way is thrown away."""
        if stage.searcher.exhausted:
            return
        take_ready_workers()
        site = self._site
        n_slots = slots(site.resources)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(n_slots)
        trainable = tune.with_parameters(GanTrainable, storage=site.storage, loaded=site.loaded)
        with self._working_folder() as (system, working):
            tune.Tuner(
                tune.with_resources(trainable, site.resources),
                tune_config=tune.TuneConfig(
                    search_alg=stage.searcher,
                    scheduler=stage.scheduler,
                    num_samples=-1,
                    max_concurrent_trials=stage.at_once or n_slots,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.trial_id,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=working,
                    storage_filesystem=system,
                    callbacks=[
                        recorder,
                        _Around(self._track, [end.check for end in (recorder, *self._ends)]),
                    ],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, num_to_keep=STATES_KEPT),
                    verbose=0,
                ),
            ).fit()

    @contextmanager
    def _working_folder(self) -> "Iterator[tuple[FileSystem | None, str]]":
        """Give Tune a folder that is thrown away; one of the storage's where trials exchange their states."""
        site = self._site
        if site.is_cluster and site.storage and site.storage.uri and self._spec.is_population_based:
            yield site.storage.working_folder()
            return
        with TemporaryDirectory(prefix="gan-sweep-") as working:
            yield None, working

    def tidy(self) -> None:
        """Leave nothing of a sweep that has ended, where it was not in its own folder; say what stays."""
        storage = self._site.storage
        if storage is None:
            return
        try:
            storage.clear()
            on_each_node(nodes.forget, storage, check=lambda: None)
        except (OSError, SweepError) as error:
            self._say(f"Something of this sweep is left on its nodes or in its storage: {error}")


class _Around(tune.Callback):
    """Does what waits for a first report, as the workers need the cores until then; and what ends the loop.

    Args:
        on_report: Called when a trial has reported.
        ends: Called between two steps of Tune's loop; what they raise ends it.
    """

    def __init__(self, on_report: Callable[[], None], ends: Sequence[Callable[[], None]]) -> None:
        self._on_report = on_report
        self._ends = ends

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out: Tune saves its callbacks for a restore that is not used here."""
        return {}

    def on_step_begin(self, **_info: object) -> None:
        for end in self._ends:
            end()

    def on_trial_result(self, **_info: object) -> None:
        self._on_report()


def _write_report(folder: Path) -> Exception | None:
    """Write the report page, and return why where it was not; that costs no sweep."""
    from sweeps.report.page import write_report

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
