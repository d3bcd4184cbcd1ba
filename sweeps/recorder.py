"""What a sweep keeps of its trials as Ray Tune runs them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from sweeps.ledger import Ledger, Trial, checkpoint_file, read_ledger, samples_file, weights_file
from sweeps.past import Past
from sweeps.progress import Display
from sweeps.search import status_of, trial_of
from sweeps.spec import SweepSpec
from sweeps.status import Stage, Status
from sweeps.storage import Storage


class BestWeights:
    """Keeps the generators of the best trials, of the defaults and of finalists, and drops the others'."""

    def __init__(self, folder: Path, spec: SweepSpec, past: Past) -> None:
        self._folder = folder
        self._sign = 1 if spec.metric[0].goal == "minimize" else -1
        self._keep = max(spec.keep, spec.confirm.top) if spec.keep and spec.confirm else spec.keep
        confirmation = read_ledger(folder.name, folder.parent).facts.get("confirmation")
        self._finalists = confirmation["finalists"] if confirmation else []
        self._kept: list[tuple[float, str]] = []
        for row in past.rows:
            if row["final"]:
                score = row["final"][spec.metric[0].name]
                self.add(row["trial_id"], score, is_baseline=bool(row["is_baseline"]))

    def add(self, trial_id: str, score: float, *, is_baseline: bool) -> None:
        """Take in a trial that was trained to its end."""
        if self._keep and (is_baseline or trial_id in self._finalists):
            return
        self._kept = sorted([*self._kept, (self._sign * score, trial_id)])
        for _, dropped in self._kept[self._keep :]:
            weights_file(self._folder, dropped).unlink(missing_ok=True)
        del self._kept[self._keep :]


class Recorder(tune.Callback):
    """Passes what happens to trials on: to the ledger first, then to those who show it."""

    def __init__(
        self,
        ledger: Ledger,
        display: Display,
        weights: BestWeights,
        metric: str,
        n_ended: int,
        storage: Storage | None = None,
    ) -> None:
        self._weights = weights
        self._storage = storage
        self._metric = metric
        self._ledger = ledger
        self._display = display
        self._folder = ledger.folder
        self._running: dict[str, Trial] = {}
        self._lineages: dict[str, tuple[str | None, int | None]] = {}
        self._scores: dict[str, float] = {}
        self._places: dict[str, dict[str, Any]] = {}
        self._is_described = False
        self.ended = n_ended

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out: Tune saves its callbacks for a restore that is not used here."""
        return {}

    def on_trial_start(self, trial: TuneTrial, **_info: object) -> None:
        """Record that a trial has started; that it goes on is nothing new."""
        if trial.trial_id in self._running:
            return
        started = trial_of(trial.config)
        self._running[trial.trial_id] = started
        before = trial.config["taken_over"] or {"trial_id": None, "step": None}
        self._lineages[trial.trial_id] = before["trial_id"], before["step"]
        self._ledger.start(started)
        self._display.start(started)

    def on_trial_recover(self, trial: TuneTrial, **_info: object) -> None:
        """Have a trial that begins again on another node know its best score."""
        trial.config["best"] = (trial.last_result or {}).get("best", trial.config["best"])
        self._display.say(f"{self._running[trial.trial_id].trial_id} goes on elsewhere: its worker is gone")

    def on_trial_result(self, trial: TuneTrial, result: dict[str, Any], **_info: object) -> None:
        """Record a report, its samples and its weights; what is large is taken out of the result."""
        self._note_take_over(trial, result)
        samples, weights = result.pop("samples", None), result.pop("weights", None)
        if samples is None:
            return
        reporting, step, metrics = self._running[trial.trial_id], result["step"], result["metrics"]
        if not self._is_described:
            self._ledger.describe({key: result[key] for key in ("floors", "extractor")})
            self._is_described = True
        self._scores[trial.trial_id] = result["score"]
        self._note_place(trial.trial_id, result["place"])
        grid = samples_file(self._folder, reporting.trial_id, step)
        grid.parent.mkdir(exist_ok=True)
        grid.write_bytes(samples)
        if weights is not None:
            _write_whole(weights_file(self._folder, reporting.trial_id), weights)
        self._ledger.report(reporting.trial_id, step, metrics, result["score"], result["flags"])
        self._display.report(reporting, step, metrics[self._metric])

    def _note_place(self, tune_id: str, place: dict[str, Any]) -> None:
        """Record where a trial runs, once, and again where it has moved."""
        if self._places.get(tune_id) != place:
            self._places[tune_id] = place
            self._ledger.place(self._running[tune_id].trial_id, place)

    def _note_take_over(self, trial: TuneTrial, result: Mapping[str, Any]) -> None:
        """Record that a trial has changed, once a result was made with what it is now."""
        now, lineage = trial_of(result["config"]), (result["donor"], result["donor_step"])
        if now != self._running[trial.trial_id] or lineage != self._lineages[trial.trial_id]:
            self._running[trial.trial_id], self._lineages[trial.trial_id] = now, lineage
            self._ledger.take_over(now, result["donor"], result["donor_step"])
            self._display.take_over(now, result["donor"], result["donor_step"])

    def on_trial_complete(self, trial: TuneTrial, **_info: object) -> None:
        """Record how a trial ended."""
        self.ended += 1
        result = trial.last_result
        self._end(trial.trial_id, status_of(result), result.get("reason"), final=result.get("final"))
        _forget_statistics(trial)

    def on_trial_error(self, trial: TuneTrial, **_info: object) -> None:
        """Record that a trial crashed, with what it raised."""
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
        trial, score = self._running.pop(tune_id), self._scores.pop(tune_id, None)
        self._places.pop(tune_id, None)
        self._ledger.end(trial.trial_id, status, reason, traceback, final)
        if final and trial.stage is Stage.SEARCH:
            self._weights.add(trial.trial_id, final[self._metric], is_baseline=trial.is_baseline)
        if status is not Status.INTERRUPTED:
            checkpoint_file(self._folder, trial.trial_id).unlink(missing_ok=True)
            self._drop_state(trial.trial_id)
        self._display.end(trial, status, final.get(self._metric, score) if final else score, reason)

    def _drop_state(self, trial_id: str) -> None:
        """Delete the state of a trial that has ended from where it is kept for others."""
        if self._storage is None:
            return
        try:
            self._storage.drop(checkpoint_file(self._folder, trial_id).name)
        except OSError as error:
            self._display.say(f"{self._storage.uri} still holds the state of {trial_id}: {error}")


def _forget_statistics(trial: TuneTrial) -> None:
    """Drop what Tune keeps of each number in a trial's results: 100 KB a trial, which nothing asks for."""
    trial.run_metadata.metric_analysis.clear()
    trial.run_metadata.metric_n_steps.clear()


def _write_whole(file: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    draft = file.with_name(f"{file.name}.draft")
    draft.write_bytes(content)
    draft.replace(file)
