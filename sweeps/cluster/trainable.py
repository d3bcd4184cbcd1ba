"""Train a trial in a Ray worker."""

import json
import os
import shutil
import traceback
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from math import ceil, isfinite
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from sweeps.cluster.ending_signals import ignore_ending_signals
from sweeps.cluster.timeouts import LoopStuck, ended_after, loop_ending
from sweeps.cluster.worker_log import mark_start

if TYPE_CHECKING:
    from gan_core import ImageDataset, LoopConfig, Report
    from sweeps.cluster.children import Children
    from sweeps.cluster.storage import Storage


_CHECKPOINT, _TRIAL = "training.checkpoint", "trial.json"


class Content(bytes):
    """A file's content with a short ``repr``: Tune formats each result for a log that is off."""

    def __repr__(self) -> str:
        return f"<{len(self):,} bytes>"


class GanTrainable(tune.Trainable):
    """Trains the GAN that a suggestion describes; each of Tune's steps trains up to the next report.

    A worker is reused for the next trial, with torch, the dataset and the evaluator loaded. A trial that Tune
    stops early needs no cleaning up: training only continues when Tune asks for the next report. Flags do not
    stop the baseline, because every gain is measured against the whole training of the baseline.
    """

    _trial_id: str
    _checkpoint: Path
    _reported_step: int
    _taken_over: dict[str, Any] | None
    _best: dict[str, float]
    _config: "LoopConfig"
    _loop: str | None = None
    _metrics: list[dict[str, Any]]
    _stop_on: set[str]
    _sends_weights: bool
    _mishaps: list[str]
    _left_behind: frozenset[Path] = frozenset()
    _data: "ImageDataset"
    _reports: "Iterator[Report]" = iter(())
    _children: "Children | None" = None

    def setup(
        self,
        config: dict[str, Any],
        storage: "Storage | None" = None,
        loaded: "tuple[ImageDataset | None, bytes | None] | None" = None,
        trial_timeout: float | None = None,
        gpus: float = 0.0,
    ) -> None:
        """Start the first trial of this worker.

        Args:
            config: The trial, as :func:`sweeps.search.suggestion.suggestion` describes it.
            storage: Where checkpoints are kept; None for the sweep's own folder.
            loaded: The dataset and its extractor's weights; None for what this worker loads itself.
            trial_timeout: Seconds without a report after which this worker ends; None for no end.
            gpus: The number of GPUs that Ray has reserved for this worker.
        """
        import torch

        from gan_core import Evaluator, keep_freed_memory, load_dataset
        from sweeps.cluster.devices import worker_device
        from sweeps.cluster.shipping import use_import_folders

        ignore_ending_signals()
        keep_freed_memory()
        use_import_folders(config["import_folders"])
        torch.set_num_threads(config["cpu"])
        self._device = worker_device(gpus)
        self._uploads, self._timeout = storage, trial_timeout
        shared, weights = loaded or (None, None)
        data = load_dataset(**config["data"]) if shared is None else shared
        self._data = data.to_if_it_fits(self._device)
        self._images = data.identity
        measured_by = config["extractor"], weights, config["reference"]
        self._evaluator = Evaluator(self._data, self._device, *measured_by)
        self._place = _place() | _code(config["import_paths"], Path(config["results"]))
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another trial."""
        self._start(new_config)
        return True

    def cleanup(self) -> None:
        """End the training before this worker ends."""
        self._end_training()

    def step(self) -> dict[str, Any]:
        """Train up to the next report and return it with the best score so far.

        After the last report, the training ends at once: the worker may wait for its next trial.
        """
        result = self._next_result()
        if result["done"]:
            result["mishaps"] += self._end_training()
        return result

    def _next_result(self) -> dict[str, Any]:
        from gan_core.errors import TrainingDiverged
        from gan_core.images import png_grid

        try:
            with ended_after(self._timeout):
                report = self._next_report()
        except TrainingDiverged as divergence:
            return self._diverged(str(divergence))
        except SystemExit as error:
            raise RuntimeError(f"the training loop called sys.exit({_code_of(error)})") from error
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
            **self._kept(report),
            "reported": report.metrics[self._metrics[0]["name"]],
            **self._context(),
            **self._yardstick(report),
        }

    def _yardstick(self, report: "Report") -> dict[str, Any]:
        """Return what the scores are measured with, as the record keeps it."""
        accuracy, counts = self._evaluator.accuracy, [self._config.eval_samples]
        if report.final is not None:
            counts.append(self._config.final_samples)
        return {
            "images": self._images,
            "extractor": self._evaluator.extractor,
            "accuracy": accuracy and asdict(accuracy),
            "floors": self._evaluator.floors,
            "floors_by_samples": {str(n): asdict(self._evaluator.floor(n)) for n in counts},
        }

    def _diverged(self, reason: str) -> dict[str, Any]:
        return {"status": "diverged", "reason": reason, "done": True, **self._context()}

    def _next_report(self) -> "Report":
        """Train up to the next report, and upload a checkpoint that was written meanwhile."""
        before = _written_at(self._checkpoint)
        report = self._report_from_matching_checkpoint()
        if self._uploads and _written_at(self._checkpoint) not in (None, before):
            self._upload_checkpoint(self._uploads)
        return report

    def _report_from_matching_checkpoint(self) -> "Report":
        """Train up to the next report; set checkpoints that do not fit the record aside.

        The newest checkpoint may be from before or after a take-over. If the record was restored from its
        copy, a checkpoint may also be ahead of the record, which would then miss reports. A checkpoint of
        another dataset is refused: the reports of both trainings are not comparable.
        """
        from gan_core import CheckpointMismatchError
        from gan_core.errors import RULES

        while True:
            try:
                report = next(self._reports)
            except CheckpointMismatchError as error:
                is_other_data = not {*self._config.model_dump(), RULES} >= {*error.names}
                if is_other_data or not self._set_checkpoint_aside(str(error)):
                    raise
                continue
            is_due = report.step <= self._reported_step + self._config.report_every
            ahead = (
                f"its checkpoint is at step {report.step}, and the record ends at step {self._reported_step}"
            )
            if is_due or not self._set_checkpoint_aside(ahead):
                self._reported_step = report.step
                return report

    def _set_checkpoint_aside(self, fault: str) -> bool:
        """Train from the previous checkpoint or from the start; return False if there is no checkpoint."""
        from gan_core.checkpoint import previous_checkpoint

        generations = [self._checkpoint, previous_checkpoint(self._checkpoint)]
        left = [each for each in generations if each.exists()]
        if not left:
            return False
        newest, *older = left
        newest.replace(newest.with_name(f"{newest.name}.damaged"))
        then = "resuming from the previous checkpoint" if older else "training restarts"
        self._mishaps.append(f"{fault}; {then}")
        self._train()
        return True

    def _upload_checkpoint(self, storage: "Storage") -> None:
        from gan_core.errors import in_one_line

        try:
            storage.upload(self._checkpoint)
        except OSError as error:
            self._mishaps.append(
                f"its checkpoint could not be uploaded to {storage.uri}: {in_one_line(error)}"
            )

    def _kept(self, report: "Report") -> dict[str, Content]:
        """Return the file of the best report's generator after the last report, if the sweep asks for it.

        If the training loop yields no generator, return the file of the loop's state.
        """
        from gan_core.generator import kept_bytes
        from gan_core.loop_generator import kept_state

        if report.final is None or not self._sends_weights:
            return {}
        if report.weights is not None:
            return {"weights": Content(kept_bytes(self._loop, self._config, self._data, report.weights))}
        state = self._loop_state()
        if self._loop is None or state is None:
            return {}
        content = kept_state(self._loop, self._config, self._data, report.step, state)
        return {"loop_state": Content(content)}

    def _loop_state(self) -> object:
        """Return the state of the training loop in the checkpoint of the last report; None if it has none."""
        from gan_core.checkpoint import load_checkpoint

        return load_checkpoint(self._checkpoint)["loop"] if self._checkpoint.exists() else None

    def _context(self) -> dict[str, Any]:
        """Return what each result holds beside its scores: the node, new mishaps, and the last take-over."""
        mishaps, self._mishaps = self._mishaps, []
        donor = self._taken_over or {"trial_id": None, "step": None}
        return {
            "place": self._place,
            "mishaps": mishaps,
            "donor": donor["trial_id"],
            "donor_step": donor["step"],
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Copy the last report's checkpoint, from which Ray resumes this trial or starts another one.

        If the scheduler pauses trials, every report writes a checkpoint.
        """
        folder = Path(checkpoint_dir)
        shutil.copyfile(self._checkpoint, folder / _CHECKPOINT)
        kept = {"trial_id": self._trial_id, "best": self._best, "taken_over": self._taken_over}
        (folder / _TRIAL).write_text(json.dumps(kept))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Resume this trial from a copied checkpoint, or take over another trial's training."""
        from gan_core.checkpoint import load_checkpoint

        folder = Path(checkpoint_dir)
        kept = json.loads((folder / _TRIAL).read_text())
        if kept["trial_id"] == self._trial_id:
            self._best, self._taken_over = kept["best"], kept["taken_over"]
            shutil.copyfile(folder / _CHECKPOINT, self._checkpoint)
            with ended_after(self._timeout):
                self._reported_step = next(self._reports).step
            return
        state = load_checkpoint(folder / _CHECKPOINT, self._device)
        self._best = {}
        self._reported_step = state["report"]["step"]
        self._taken_over = {"trial_id": kept["trial_id"], "step": self._reported_step}
        self._train(start=state)

    def _is_better(self, metrics: dict[str, float]) -> bool:
        name, goal = self._metrics[0]["name"], self._metrics[0]["goal"]
        gain = metrics[name] - self._best[name]
        return gain < 0 if goal == "minimize" else gain > 0

    def _status(self, report: "Report") -> dict[str, Any]:
        """Return whether the trial is done, and the reason if it ends before its last step."""
        if report.final is not None:
            return {"status": "completed", "done": True}
        for flag, step in report.flags.items():
            if flag in self._stop_on:
                return {"status": "pruned", "done": True, "reason": f"{flag} since step {step}"}
        return {"status": "running", "done": False}

    def _start(self, suggestion: dict[str, Any]) -> None:
        from gan_core.hyperparameters import config_of

        self._mishaps = self._end_training()
        self._loop = suggestion["train"]
        self._config = config_of(self._loop).model_validate(suggestion["config"])
        self._sends_weights = suggestion["sends_weights"]
        self._stop_on = set() if suggestion["is_baseline"] else set(suggestion["stop_on"])
        self._metrics, self._best = suggestion["metrics"], suggestion["best"]
        self._trial_id, self._taken_over = suggestion["trial_id"], suggestion["taken_over"]
        mark_start(self._trial_id)
        self._checkpoint = self._checkpoint_file(Path(suggestion["checkpoint"]))
        self._checkpoint_every_s = suggestion["checkpoint_every_s"]
        self._reported_step = suggestion["reported_step"]
        self._mishaps += self._missing_checkpoint()
        self._train()

    def _checkpoint_file(self, in_sweep: Path) -> Path:
        """Return the trial's checkpoint file, downloaded from the storage if there is one.

        If the sweep ran without a storage before, the checkpoint may be in the sweep's folder. The local
        files of this worker's previous trial are deleted.
        """
        from gan_core.checkpoint import previous_checkpoint
        from gan_core.errors import in_one_line

        if self._uploads is None:
            return in_sweep
        file = self._uploads.local_file(in_sweep.name)
        for other in self._left_behind - {file}:
            for generation in (other, previous_checkpoint(other)):
                generation.unlink(missing_ok=True)
        self._left_behind = frozenset({file})
        try:
            self._uploads.download(file)
            if not file.exists() and os.access(in_sweep, os.R_OK):
                shutil.copyfile(in_sweep, file)
        except OSError as error:
            self._mishaps.append(
                f"its checkpoint could not be downloaded from {self._uploads.uri}: {in_one_line(error)}"
            )
        return file

    def _missing_checkpoint(self) -> list[str]:
        """Return a mishap if the trial has reported before and has no checkpoint to resume from."""
        from gan_core.checkpoint import previous_checkpoint

        generations = self._checkpoint, previous_checkpoint(self._checkpoint)
        if not self._reported_step or any(each.exists() for each in generations):
            return []
        return [f"it has reported step {self._reported_step} and has no checkpoint; training restarts"]

    def _train(self, start: dict[str, Any] | None = None) -> None:
        from gan_core import train
        from gan_core.hyperparameters import named_loop
        from gan_core.memory import release_gpu_memory
        from sweeps.cluster.children import Children

        self._mishaps += self._end_training()
        release_gpu_memory()
        self._children = Children()
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
            loop=named_loop(self._loop),
        )

    def _end_training(self) -> list[str]:
        """End the training where it waits after a report: a user's loop runs its ``finally`` blocks.

        The processes that the loop leaves behind are ended, too. The trial has ended for the record. An
        exception of those blocks is therefore only printed. Blocks that take more than 10 seconds are
        interrupted; if they still run after that, this worker is ended.

        Returns:
            What the user should know: that the loop was interrupted.
        """
        reports, self._reports = self._reports, iter(())
        if not isinstance(reports, Generator):
            return []
        mishaps = []
        try:
            with loop_ending(self._trial_id):
                reports.close()
        except LoopStuck as stuck:
            mishaps = [str(stuck)]
        except (Exception, SystemExit):  # noqa: BLE001 - the code is a user's
            traceback.print_exc()
        del reports
        if self._children:
            self._children.end_later_ones()
        return mishaps


def _code_of(error: SystemExit) -> str:
    """Return the argument of ``sys.exit`` as typed; nothing without one."""
    return "" if error.code is None else repr(error.code)


def _not_finite(metrics: Mapping[str, float]) -> list[str]:
    """Return the names of metrics that are NaN or infinite; a training may have no memorisation score."""
    return [name for name, value in metrics.items() if not isfinite(value) and name != "memorisation"]


def _written_at(file: Path) -> int | None:
    """Return when a file was written, in nanoseconds; None if it does not exist."""
    return file.stat().st_mtime_ns if file.exists() else None


def _code(import_paths: list[str], results: Path) -> dict[str, Any]:
    """Return the hashes of the files of users' code that this worker imports; nothing without such code."""
    from sweeps.cluster.code import code_of

    return {"code": code_of(import_paths, [results]).version()["files"]} if import_paths else {}


def _place() -> dict[str, Any]:
    """Return the node of this worker, its GPUs there, and the version of its training rules."""
    from gan_core.rules import VERSION

    context = ray.get_runtime_context()
    return {
        "host": gethostname(),
        "node_id": context.get_node_id(),
        "gpus": context.get_accelerator_ids().get("GPU", []),
        "rules": VERSION,
    }
