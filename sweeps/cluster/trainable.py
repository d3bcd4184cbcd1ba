"""One trial, in a worker of Ray's."""

import json
import shutil
from collections.abc import Iterator, Mapping
from math import ceil, isfinite
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

if TYPE_CHECKING:
    from gan_core import ImageDataset, Report, TrialConfig
    from sweeps.cluster.storage import Storage


_STATE, _KEPT = "training.checkpoint", "trial.json"


class Content(bytes):
    """A file's content, which is short in words: Tune puts each result into words, for a log that is off."""

    def __repr__(self) -> str:
        return f"<{len(self):,} bytes>"


class GanTrainable(tune.Trainable):
    """Trains the GAN of a suggestion, a report a step of Tune's.

    A worker lives on for the next trial, with torch, the dataset and the evaluator loaded. A trial that is
    stopped early leaves nothing behind: training only goes on when its next report is asked for. The baseline
    is not stopped for its flags: every gain is measured against all of its training.
    """

    _trial_id: str
    _checkpoint: Path
    _taken_over: dict[str, Any] | None
    _best: dict[str, float]
    _config: "TrialConfig"
    _metrics: list[dict[str, Any]]
    _stop_on: set[str]
    _sends_weights: bool
    _mishaps: list[str]
    _left_behind: frozenset[Path] = frozenset()
    _data: "ImageDataset"
    _reports: "Iterator[Report]"

    def setup(
        self,
        config: dict[str, Any],
        storage: "Storage | None" = None,
        loaded: "tuple[ImageDataset, bytes | None] | None" = None,
    ) -> None:
        """Start the first trial of this worker.

        Args:
            config: The trial, as :func:`sweeps.search.suggestion.suggestion` describes it.
            storage: Where states are kept, where the sweep's own folder is not seen from here.
            loaded: The images, and the weights of their classifier, where they are not loaded here.
        """
        import torch

        from gan_core import Evaluator, keep_freed_memory, load_dataset

        keep_freed_memory()
        torch.set_num_threads(config["cpu"])
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._states = storage
        data, classifier = loaded or (load_dataset(**config["data"]), None)
        self._data = data.to_if_it_fits(self._device)
        self._evaluator = Evaluator(self._data, self._device, config["extractor"], classifier)
        self._place = _place()
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another trial."""
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train up to the next report and return it, with the best score so far."""
        from gan_core.errors import TrainingDiverged
        from gan_core.images import png_grid

        try:
            report = self._next_report()
        except TrainingDiverged as divergence:
            return self._diverged(str(divergence))
        if unscored := _not_finite(report.metrics) + _not_finite(report.final or {}):
            return self._diverged(f"{', '.join(unscored)} is not finite at step {report.step}")
        if not self._best or self._is_better(report.metrics):
            self._best = report.metrics
        return {
            **self._status(report),
            "step": report.step,
            "reports": ceil(report.step / self._config.report_every),
            "score": self._best[self._metrics[0]["name"]],
            "objectives": [self._best[metric["name"]] for metric in self._metrics],
            "best": self._best,
            "metrics": report.metrics,
            "flags": report.flags,
            "final": report.final,
            "samples": Content(png_grid(report.samples)),
            "weights": self._weights(report),
            "reported": report.metrics[self._metrics[0]["name"]],
            **self._told,
            "floors": self._evaluator.floors,
            "extractor": self._evaluator.extractor,
        }

    def _diverged(self, reason: str) -> dict[str, Any]:
        return {"status": "diverged", "reason": reason, "done": True, **self._told}

    def _next_report(self) -> "Report":
        """Train up to the next report; a state that is written on the way is kept for others too."""
        before = _written_at(self._checkpoint)
        report = self._report_from_a_state_of_its_own()
        if self._states and _written_at(self._checkpoint) not in (None, before):
            self._keep_state(self._states)
        return report

    def _report_from_a_state_of_its_own(self) -> "Report":
        """Train up to the next report; a state of other hyperparameters is set aside.

        The newest may be from another side of a take-over. Of other data, its reports were not comparable.
        """
        from gan_core import CheckpointMismatchError, TrialConfig
        from gan_core.checkpoint import previous_checkpoint

        while True:
            try:
                return next(self._reports)
            except CheckpointMismatchError as error:
                generations = [self._checkpoint, previous_checkpoint(self._checkpoint)]
                left = [each for each in generations if each.exists()]
                if not left or not TrialConfig.model_fields.keys() >= set(error.names):
                    raise
                newest, *older = left
                newest.replace(newest.with_name(f"{newest.name}.damaged"))
                then = "the previous one is taken" if older else "training begins anew"
                self._mishaps.append(f"{error}; {then}")
                self._train()

    def _keep_state(self, states: "Storage") -> None:
        from gan_core.errors import in_one_line

        try:
            states.keep(self._checkpoint)
        except OSError as error:
            self._mishaps.append(f"its state could not be kept in {states.uri}: {in_one_line(error)}")

    def _weights(self, report: "Report") -> Content | None:
        """Return the best report's generator, in the last report, where the sweep asks for it."""
        from gan_core.generator import generator_bytes

        if report.weights is None or not self._sends_weights:
            return None
        return Content(generator_bytes(self._config, self._data.image_shape, report.weights))

    @property
    def _told(self) -> dict[str, Any]:
        """What is told with every result: where it was made, what went wrong since, and of whose state."""
        mishaps, self._mishaps = self._mishaps, []
        return {"place": self._place, "mishaps": mishaps, **self._lineage}

    @property
    def _lineage(self) -> dict[str, Any]:
        """Whose state the trial went on from last, and at which step."""
        taken_over = self._taken_over or {"trial_id": None, "step": None}
        return {"donor": taken_over["trial_id"], "donor_step": taken_over["step"]}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep the state of the last report, for Ray to pause the trial or to have another one take it over.

        A scheduler that pauses trials has a checkpoint written with every report.
        """
        folder = Path(checkpoint_dir)
        shutil.copyfile(self._checkpoint, folder / _STATE)
        kept = {"trial_id": self._trial_id, "best": self._best, "taken_over": self._taken_over}
        (folder / _KEPT).write_text(json.dumps(kept))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Go on from what :meth:`save_checkpoint` kept of this trial, or take over another one's state."""
        from gan_core.checkpoint import load_checkpoint

        folder = Path(checkpoint_dir)
        kept = json.loads((folder / _KEPT).read_text())
        if kept["trial_id"] == self._trial_id:
            self._best, self._taken_over = kept["best"], kept["taken_over"]
            shutil.copyfile(folder / _STATE, self._checkpoint)
            next(self._reports)
            return
        state = load_checkpoint(folder / _STATE, self._device)
        self._best = {}
        self._taken_over = {"trial_id": kept["trial_id"], "step": state["trainer"]["steps_taken"]}
        self._train(start=state)

    def _is_better(self, metrics: dict[str, float]) -> bool:
        name, goal = self._metrics[0]["name"], self._metrics[0]["goal"]
        gain = metrics[name] - self._best[name]
        return gain < 0 if goal == "minimize" else gain > 0

    def _status(self, report: "Report") -> dict[str, Any]:
        """Return whether the trial is done, and why where it is before its last step."""
        if report.final is not None:
            return {"status": "completed", "done": True}
        for flag in self._stop_on & report.flags.keys():
            return {"status": "pruned", "done": True, "reason": f"{flag} since step {report.flags[flag]}"}
        return {"status": "running", "done": False}

    def _start(self, suggestion: dict[str, Any]) -> None:
        from gan_core import TrialConfig
        from sweeps.cluster.shipping import use_import_folders

        use_import_folders(suggestion["import_folders"])
        self._config = TrialConfig.model_validate(suggestion["config"])
        self._sends_weights = suggestion["sends_weights"]
        self._stop_on = set() if suggestion["is_baseline"] else set(suggestion["stop_on"])
        self._metrics, self._best = suggestion["metrics"], suggestion["best"]
        self._trial_id, self._taken_over = suggestion["trial_id"], suggestion["taken_over"]
        self._mishaps = []
        self._checkpoint = self._state_file(Path(suggestion["checkpoint"]))
        self._checkpoint_every_s = suggestion["checkpoint_every_s"]
        self._mishaps += self._without_state(suggestion["reported_step"])
        self._train()

    def _state_file(self, of_sweep: Path) -> Path:
        """Return the file of the trial's state, brought here where it is kept elsewhere."""
        from gan_core.checkpoint import previous_checkpoint
        from gan_core.errors import in_one_line

        if self._states is None:
            return of_sweep
        file = self._states.own_file(of_sweep.name)
        for other in self._left_behind - {file}:
            for generation in (other, previous_checkpoint(other)):
                generation.unlink(missing_ok=True)
        self._left_behind = frozenset({file})
        try:
            self._states.fetch(file)
        except OSError as error:
            self._mishaps.append(f"its state was not to be had from {self._states.uri}: {in_one_line(error)}")
        return file

    def _without_state(self, reported_step: int) -> list[str]:
        """Return what is to be said where a trial that has reported has no checkpoint to go on from."""
        from gan_core.checkpoint import previous_checkpoint

        if not reported_step or self._checkpoint.exists() or previous_checkpoint(self._checkpoint).exists():
            return []
        return [f"it had come to step {reported_step} and has no checkpoint; training begins anew"]

    def _train(self, start: dict[str, Any] | None = None) -> None:
        from gan_core import train

        self._reports = train(
            self._config,
            self._data,
            self._evaluator,
            self._device,
            self._checkpoint,
            self._checkpoint_every_s,
            start,
            on_damage=lambda damage: self._mishaps.append(damage),
            monitor=self._metrics[0]["name"],
            goal=self._metrics[0]["goal"],
        )


def _not_finite(metrics: Mapping[str, float]) -> list[str]:
    """Return the names of metrics that are NaN or infinite; a training may have no memorisation score."""
    return [name for name, value in metrics.items() if not isfinite(value) and name != "memorisation"]


def _written_at(file: Path) -> int | None:
    """Return when a file was written, in nanoseconds; None where there is none."""
    return file.stat().st_mtime_ns if file.exists() else None


def _place() -> dict[str, Any]:
    """Return the node that this worker is on, and the GPUs that it has there."""
    context = ray.get_runtime_context()
    return {
        "host": gethostname(),
        "node_id": context.get_node_id(),
        "gpus": context.get_accelerator_ids().get("GPU", []),
    }
