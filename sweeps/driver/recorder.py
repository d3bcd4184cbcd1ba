"""Record and show what happens to trials while Ray Tune runs them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from gan_core.accuracy import Accuracy
from sweeps.cluster.storage import Storage
from sweeps.cluster.timeouts import has_timed_out, stuck_loop
from sweeps.driver.best_weights import BestWeights
from sweeps.driver.code_versions import CodeVersions
from sweeps.driver.deaths import death_of, error_of, reason_of
from sweeps.driver.disk import disk_full_error, is_full
from sweeps.driver.progress import Display
from sweeps.driver.request import OnReport
from sweeps.driver.worker_logs import WorkerLogs
from sweeps.errors import SweepError
from sweeps.record.comparability import MEASURE, check_comparable
from sweeps.record.files import write_atomically
from sweeps.record.layout import (
    checkpoint_file,
    discard_checkpoints,
    samples_file,
    state_file,
    weights_file,
    worker_log_file,
)
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_facts, read_ledger
from sweeps.record.status import Mishap, Stage, Status
from sweeps.record.trial import Trial
from sweeps.search.confirmation import Confirmation
from sweeps.search.searcher import Search
from sweeps.search.suggestion import metrics_of, status_of, trial_of
from sweeps.spec.constraints import are_met, unreported
from sweeps.spec.model import SweepSpec


class Recorder(tune.Callback):
    """Records every event of a trial, and then shows it.

    If a worker dies, its trial is trained again from its last checkpoint: under a new name in Ray Tune, under
    the same name in the record. If the code of a trial raises, it would raise again: the trial has failed.

    An error of the record, of the disk or of ``on_report`` stops the sweep before anything else is recorded,
    and no trial is blamed for it. The trials continue once the sweep is resumed.

    Args:
        ledger: The record of the sweep.
        display: Shows the trials.
        searcher: Suggests a trial again.
        spec: The sweep.
        past: The trials of earlier runs.
        storage: Where the states of unfinished trials are kept; None for the sweep's folder.
        on_report: Called after each report has been recorded.
        code: The versions of the code that trials are trained with.
        is_stopped: Returns whether a signal has stopped the sweep. The signal may also have ended processes
            of a trial's training loop: no trial is blamed for what fails afterwards.

    Attributes:
        ended: The number of trials that have ended, those of earlier runs included.
        fault: The error that stops the sweep, or None.
    """

    def __init__(
        self,
        ledger: Ledger,
        display: Display,
        searcher: Search | Confirmation,
        spec: SweepSpec,
        past: Past,
        storage: Storage | None = None,
        on_report: OnReport | None = None,
        code: CodeVersions | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._logs = WorkerLogs(ledger.folder)
        self._weights = BestWeights(ledger.folder, spec, past)
        self._storage = storage
        self._on_report = on_report
        self._code = code
        self._is_stopped = is_stopped
        self._searcher = searcher
        self._train = spec.train
        self._retries, self._timeout = spec.retries, spec.trial_timeout
        self._metric, self._constraints = spec.metric[0].name, spec.parsed_constraints
        self._ledger = ledger
        self._display = display
        self._folder = ledger.folder
        self._running: dict[str, Trial] = {}
        self._waiting: dict[str, Trial] = {}
        self._lineages: dict[str, tuple[str | None, int | None]] = {}
        self._scores: dict[str, float] = {}
        self._places: dict[str, dict[str, Any]] = {}
        facts = read_facts(ledger.folder)
        self._measure = {key: facts[key] for key in MEASURE if facts.get(key)}
        self._floors: dict[str, Any] = facts.get("floors_by_samples", {})
        self._accuracy: dict[str, Any] | None = None
        self._display.lead(self._weights.leader())
        self.ended = len(past.ended)
        self.fault: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its callbacks for a restore that is not used here."""
        return {}

    def on_trial_start(self, trial: TuneTrial, **_info: object) -> None:
        """Record that a trial has started, unless Tune only continues it."""
        self._logs.note_worker(trial)
        if trial.trial_id not in self._running:
            with self._remembering_faults():
                self._start(trial)

    def _start(self, trial: TuneTrial) -> None:
        started = trial_of(trial.config)
        self._waiting.pop(started.trial_id, None)
        self._running[trial.trial_id] = started
        before = trial.config["taken_over"] or {"trial_id": None, "step": None}
        self._lineages[trial.trial_id] = before["trial_id"], before["step"]
        self._ledger.start(started)
        self._display.start(started)

    def check(self) -> None:
        """Raise the error that stops the sweep: if a callback raised it, Tune would blame the trial."""
        if self.fault is not None:
            raise disk_full_error(self._folder) if is_full(self.fault) else self.fault

    def on_trial_result(self, trial: TuneTrial, result: dict[str, Any], **_info: object) -> None:
        """Record a report, its samples and its weights, and remove the large ones from the result."""
        with self._remembering_faults():
            self._record_report(trial, result)

    @contextmanager
    def _remembering_faults(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised by check()
            self.fault = self.fault or error

    def _record_report(self, trial: TuneTrial, result: dict[str, Any]) -> None:
        self._note_take_over(trial, result)
        samples, kept = result.pop("samples", None), _kept_files(result)
        reporting = self._running[trial.trial_id]
        self._note_place(trial.trial_id, result["place"])
        for reason in result["mishaps"]:
            self._ledger.mishap(reporting.trial_id, Mishap.CHECKPOINT, reason)
            self._display.mishap(reporting, reason)
        if samples is None:
            return
        step, metrics = result["step"], result["metrics"]
        self._check_constraints(metrics)
        self._check_measure(reporting.trial_id, {key: result[key] for key in MEASURE})
        self._note_yardstick(result)
        self._scores[trial.trial_id] = result["score"]
        grid = samples_file(self._folder, reporting.trial_id, step)
        grid.parent.mkdir(exist_ok=True)
        write_atomically(grid, samples)
        for file_of, content in kept:
            write_atomically(file_of(self._folder, reporting.trial_id), content)
        self._ledger.report(reporting.trial_id, step, metrics, result["score"], result["flags"])
        self._display.report(reporting, step, metrics[self._metric], are_met(self._constraints, metrics))
        if self._on_report:
            self._on_report(reporting.trial_id, step, dict(metrics))

    def _note_place(self, tune_id: str, place: dict[str, Any]) -> None:
        """Record the node that a trial runs on and the version of its code, at first and after each move."""
        if self._places.get(tune_id) == place:
            return
        self._places[tune_id] = place
        trial, recorded = self._running[tune_id], dict(place)
        if self._code and "code" in place:
            recorded["code"], remark = self._code.number_of(place["code"])
            if remark:
                self._display.mishap(trial, remark)
        self._ledger.place(trial.trial_id, recorded)

    def _note_take_over(self, trial: TuneTrial, result: Mapping[str, Any]) -> None:
        """Record that a trial continued from another one's state, once it has reported since."""
        now, lineage = trial_of(result["config"]), (result["donor"], result["donor_step"])
        if now != self._running[trial.trial_id] or lineage != self._lineages[trial.trial_id]:
            self._running[trial.trial_id], self._lineages[trial.trial_id] = now, lineage
            self._ledger.take_over(now, result["donor"], result["donor_step"])
            self._display.take_over(now, result["donor"], result["donor_step"])

    def _check_measure(self, trial_id: str, measure: Mapping[str, Any]) -> None:
        """Record what the first report was measured with, and check that this one was measured likewise.

        Raises:
            SweepError: This report was measured on other images, or with another extractor.
        """
        check_comparable(f"a report of {trial_id} is not recorded", self._measure, measure)
        if new := {key: value for key, value in measure.items() if key not in self._measure}:
            self._ledger.describe(new)
            self._measure |= new

    def _check_constraints(self, metrics: Mapping[str, Any]) -> None:
        """Check that a user's training loop reports the metrics that constraints name.

        Raises:
            SweepError: It does not report one of them.
        """
        if message := unreported(self._constraints, metrics):
            raise SweepError(f"{message}; correct the file, and run a new sweep")

    def _note_yardstick(self, result: Mapping[str, Any]) -> None:
        """Record and show how good the extractor is, and record the floors beside each number of samples."""
        if self._accuracy is None and result["accuracy"]:
            self._accuracy = result["accuracy"]
            self._ledger.describe({"accuracy": self._accuracy})
            self._display.measured(Accuracy(**self._accuracy))
        if result["floors_by_samples"].keys() - self._floors.keys():
            self._floors = self._floors | result["floors_by_samples"]
            self._ledger.describe({"floors_by_samples": self._floors})

    def on_trial_complete(self, trial: TuneTrial, **_info: object) -> None:
        """Record how a trial ended, unless its last report could not be recorded."""
        if self.fault is not None:
            return
        result = trial.last_result
        with self._remembering_faults():
            judged = metrics_of(result)
            self._end(trial.trial_id, status_of(result), result.get("reason"), judged, result.get("final"))
            self.ended += 1
        _forget_statistics(trial)

    def on_trial_error(self, trial: TuneTrial, **_info: object) -> None:
        """Retry a trial after its worker died; else record that the trial crashed."""
        if self.fault is None and not self._is_stopped():
            with self._remembering_faults():
                self._record_failure(trial)

    def _record_failure(self, trial: TuneTrial) -> None:
        error = error_of(trial)
        if error is not None and is_full(error):
            raise error
        if trial.trial_id not in self._running:
            self._start(trial)
        traceback = Path(trial.error_file).read_text(encoding="utf-8")
        log = self._logs.keep(trial.trial_id, self._running[trial.trial_id].trial_id, error, traceback)
        death = death_of(error, traceback)
        if death and (stuck := stuck_loop(log)):
            death = f"the training loop of {stuck} did not end when it was stopped; its worker was ended"
            if stuck != self._running[trial.trial_id].trial_id:
                self._start_in_a_new_worker(trial.trial_id, stuck, death)
                return
        elif death and self._timeout and has_timed_out(log):
            death = f"no report for {self._timeout:g} s (trial_timeout)"
        if death and self._retry(trial.trial_id, death):
            return
        reason = death or reason_of(traceback, self._train)
        self._searcher.give_up(trial.trial_id)
        self.ended += 1
        self._end(trial.trial_id, Status.CRASHED, reason, traceback=traceback)

    def _retry(self, tune_id: str, death: str) -> bool:
        """Train a trial again after its worker died, and return True; False without retries left."""
        failed = self._running[tune_id]
        past = Past.read(read_ledger(self._folder.name, self._folder.parent), failed.stage)
        n_deaths = past.n_mishaps(failed.trial_id, Mishap.DEATH)
        if n_deaths >= self._retries:
            return False
        self._ledger.mishap(failed.trial_id, Mishap.DEATH, death)
        self._display.mishap(failed, f"{death}; retry {n_deaths + 1} of {self._retries}")
        self._again(tune_id, past)
        return True

    def _start_in_a_new_worker(self, tune_id: str, stuck: str, reason: str) -> None:
        """Start a trial again that was to start in the worker of an ended trial; it uses no retry."""
        starting = self._running[tune_id]
        self._ledger.mishap(stuck, Mishap.END, reason)
        self._display.mishap(starting, f"{reason}, and this trial starts in another one")
        self._again(tune_id, Past.read(read_ledger(self._folder.name, self._folder.parent), starting.stage))

    def _again(self, tune_id: str, past: Past) -> None:
        """Let the searcher suggest a trial again."""
        started = self._running.pop(tune_id)
        self._waiting[started.trial_id] = started
        self._logs.forget(tune_id)
        self._searcher.retry(tune_id, past)

    @property
    def running(self) -> int:
        """The number of trials that run or wait for a retry."""
        return len(self._running) + len(self._waiting)

    def close(self, status: Status) -> None:
        """Record that the trials that still run were interrupted.

        Args:
            status: COMPLETED once all trials have ended.
        """
        if status is Status.COMPLETED:
            self._weights.settle()
        self._running |= self._waiting
        for tune_id in list(self._running):
            self._end(tune_id, Status.INTERRUPTED)

    def _end(
        self,
        tune_id: str,
        status: Status,
        reason: str | None = None,
        judged: Mapping[str, Any] | None = None,
        final: dict[str, float] | None = None,
        traceback: str | None = None,
    ) -> None:
        trial, score = self._running.pop(tune_id), self._scores.pop(tune_id, None)
        self._places.pop(tune_id, None)
        self._logs.forget(tune_id)
        self._ledger.end(trial.trial_id, status, reason, traceback, final)
        if trial.stage is Stage.SEARCH:
            self._rank(trial, status, judged or final if final else None)
        if status is not Status.INTERRUPTED:
            discard_checkpoints(self._folder, trial.trial_id)
            self._drop_state(trial.trial_id)
        log = worker_log_file(self._folder, trial.trial_id)
        if status is Status.CRASHED and log.exists():
            reason = f"{reason}; what its worker printed: {log}"
        score = final.get(self._metric, score) if final else score
        self._display.end(trial, status, score, reason, are_met(self._constraints, judged or {}))

    def _rank(self, trial: Trial, status: Status, judged: Mapping[str, Any] | None) -> None:
        """Keep the generator of a trial of the search if it is one of the best, and show which leads."""
        if judged:
            self._weights.add(trial.trial_id, judged, is_baseline=trial.is_baseline, of=trial.of)
        elif status is Status.DIVERGED:
            self._weights.note_divergence(trial.trial_id, trial.of)
        self._display.lead(self._weights.leader())

    def _drop_state(self, trial_id: str) -> None:
        """Delete the state of an ended trial from the storage."""
        if self._storage is None:
            return
        try:
            self._storage.delete(checkpoint_file(self._folder, trial_id).name)
        except OSError as error:
            self._display.say(f"{self._storage.uri} still holds the state of {trial_id}: {error}")


def _kept_files(result: dict[str, Any]) -> list[tuple[Callable[[Path, str], Path], bytes]]:
    """Remove the generator and the loop's state from a result, and return each with its file in a sweep."""
    contents = (weights_file, result.pop("weights", None)), (state_file, result.pop("loop_state", None))
    return [(file_of, content) for file_of, content in contents if content is not None]


def _forget_statistics(trial: TuneTrial) -> None:
    """Delete Tune's statistics of a trial's results: 100 KB a trial, and nothing reads them."""
    trial.run_metadata.metric_analysis.clear()
    trial.run_metadata.metric_n_steps.clear()
