"""Run a training loop with scores, checkpoints and flags: one GAN on one device, to the final score."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import gt, lt
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from gan_core.adversarial import from_earlier_format, train_gan
from gan_core.checkpoint import load_latest_checkpoint, save_checkpoint
from gan_core.choices import Goal
from gan_core.datasets import ImageDataset
from gan_core.deprecation import renamed_arguments
from gan_core.errors import RULES, CheckpointMismatchError, LoopError
from gan_core.evaluation import Evaluator
from gan_core.flags import COLLAPSE, FlagWatch, collapsed
from gan_core.hardware import hardware, move_message
from gan_core.loop_config import LoopConfig
from gan_core.loops.declaration import Loop, check_config, loop_name
from gan_core.loops.run import LoopRun
from gan_core.rules import VERSION, changed_rules

GREY_LEVELS = 2
"""The largest difference between samples before an interruption and after it: another CPU may round."""


@dataclass(frozen=True)
class Report:
    """The state of a training at one step.

    Args:
        step: The number of completed steps.
        metrics: The loop's own metrics, and the evaluator's scores of ``config.eval_samples`` images. The
            built-in loop's own are the :data:`gan_core.step_metrics.STEP_METRICS` of the last step, and
            ``images_per_s``, the real images trained on per second, without evaluation.
        samples: 64 generated images, uint8 ``(64, C, H, W)``, from the same noise in every report.
        flags: The raised flags (see :class:`gan_core.flags.FlagWatch`) and the step that each started at.
        best_step: The reported step with the best ``monitor`` metric, by default the lowest fid.
        final: In the last report, the scores, with ``memorisation`` and ``copies``, of
            ``config.final_samples`` images that the weights of ``best_step`` generate from fresh noise; else
            None. The best of many noisy scores is biased; this score is computed only once.
        weights: In the last report, the generator's weights at ``best_step``; else None. If the loop yields
            no generator, there are none, and ``final`` scores images of the last step.
    """

    step: int
    metrics: dict[str, float]
    samples: Tensor
    flags: dict[str, int]
    best_step: int
    final: dict[str, float] | None
    weights: dict[str, Tensor] | None = None


@renamed_arguments(best_by="monitor", start="initial_state")
def train(
    config: LoopConfig,
    data: ImageDataset,
    evaluator: Evaluator | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | str | None = None,
    checkpoint_every_s: float = 30.0,
    initial_state: Mapping[str, Any] | None = None,
    on_damage: Callable[[str], object] = warnings.warn,
    monitor: str = "fid",
    goal: Goal = "minimize",
    loop: Loop = train_gan,
) -> Iterator[Report]:
    """Train one GAN, reporting every ``config.report_every`` steps and after the last step.

    The same config and data give the same reports, bit for bit on one CPU with the same number of threads.

    Args:
        config: The hyperparameters, including the seed: a :class:`gan_core.TrialConfig` for the built-in
            loop, and an object of the loop's own class for any other.
        data: The dataset.
        evaluator: Scores the samples of each report; by default, an Evaluator for ``data``.
        device: The device to train on.
        checkpoint: A file for the whole training state; the previous checkpoint stays beside it. If the file
            exists, training yields its report again and resumes, with the reports of an unbroken run. A loop
            without a state starts over.
        checkpoint_every_s: Minimum seconds between two checkpoints. A checkpoint is written before its
            report is yielded, and always before the last report.
        initial_state: A state from :func:`gan_core.checkpoint.load_checkpoint` to continue with this config,
            which may differ in the seed and in ``config.changeable``. An existing ``checkpoint`` is then
            ignored, and the best report is the best of the new reports.
        on_damage: Called with a message if a checkpoint is corrupted: training falls back to the previous
            checkpoint or starts over. It also starts over if a loop that yields the checkpoint's step again
            has samples that differ by more than 2 grey levels. Also called if the checkpoint was written on
            other hardware, for example a GPU of another model: training resumes. Also called once with each
            message of the loop.
        monitor: The metric that selects the best report.
        goal: Whether to ``minimize`` or ``maximize`` ``monitor``.
        loop: The training loop, a generator function ``loop(config, data, device, state=None)`` that yields
            :class:`gan_core.Snapshot`; by default, :func:`gan_core.adversarial.train_gan`.

    Yields:
        A report; training continues when the next one is requested.

    Raises:
        TrainingDiverged: A loss, a gradient or an image is not finite.
        LoopError: The loop breaks the protocol of training loops.
        CheckpointMismatchError: The checkpoint has a different loop, config, dataset or extractor; or an
            earlier version wrote it, and a rule that concerns this training has changed since
            (:mod:`gan_core.rules`).
        NotADirectoryError: The checkpoint's directory does not exist.
        ValueError: ``initial_state`` has already completed ``config.steps`` steps.
    """
    file = Path(checkpoint) if checkpoint else None
    if file and not file.parent.is_dir():
        raise NotADirectoryError(f"cannot write the checkpoint {file}: there is no directory {file.parent}")
    data = data.to_if_it_fits(device)
    evaluator = evaluator or Evaluator(data, device)
    with closing(_Training(config, data, evaluator, torch.device(device), monitor, goal, loop)) as training:
        if initial_state is not None:
            training.warm_start(from_earlier_format(initial_state))
        elif file and (state := load_latest_checkpoint(file, "cpu", on_damage)):
            training.load_state_dict(from_earlier_format(state))
            if message := move_message(state.get("hardware"), training.hardware):
                on_damage(message)
            yield training.last_report()
        saved_at = monotonic()
        while training.step < config.steps:
            try:
                report = training.advance()
            except _NotRestoredError as error:
                on_damage(f"{error}; training starts over")
                training.close()
                training.start()
                continue
            for message in training.new_messages():
                on_damage(message)
            is_due = report.final or monotonic() - saved_at >= checkpoint_every_s
            if file and is_due and training.can_resume:
                save_checkpoint(file, training.state_dict())
                saved_at = monotonic()
            yield report
        training.finish()


class _NotRestoredError(Exception):
    """The samples of a resumed loop are not those of the checkpoint."""


class _Training:
    """A running loop with its scores, flags and best report."""

    def __init__(
        self,
        config: LoopConfig,
        data: ImageDataset,
        evaluator: Evaluator,
        device: torch.device,
        monitor: str,
        goal: Goal,
        loop: Loop,
    ) -> None:
        check_config(loop, config)
        self._config = config
        self._monitor, self._goal = monitor, goal
        self._data = data
        self._evaluator = evaluator
        self._device = device
        self._loop = loop
        self._shown: set[str] = set()
        self.start()

    def start(self) -> None:
        """Start from the first step."""
        self._flags = FlagWatch()
        self._best: dict[str, Any] | None = None
        self._report: Report | None = None
        self._restored_samples: Tensor | None = None
        self._run_from(None, 0)

    @property
    def step(self) -> int:
        """The number of completed steps."""
        return self._run.step

    @property
    def can_resume(self) -> bool:
        """Whether a training can resume from :meth:`state_dict`, or its report is the last one."""
        return self.last_report().final is not None or self._run.snapshot.state is not None

    @property
    def hardware(self) -> dict[str, str]:
        """The device of this training, and what the device decides."""
        return hardware(self._device, self._config)

    def last_report(self) -> Report:
        """Return the last report, or the one that the loaded state contains."""
        if self._report is None:
            raise ValueError("there is no report yet")
        return self._report

    def advance(self) -> Report:
        """Train until the next report is due, and return it.

        Raises:
            _NotRestoredError: The loop does not continue the samples of the loaded state.
        """
        restored_step = self._run.step
        snapshot = self._run.advance()
        if snapshot.step == restored_step:
            self._check_restored()
            snapshot = self._run.advance()
        metrics = self._run.metrics()
        metrics |= self._evaluator.score(self._run.images(self._config.eval_samples, "evaluation"))
        best = self._update_best(metrics)
        self._update_flags(metrics)
        is_last = self.step == self._config.steps
        self._report = Report(
            step=self.step,
            metrics=metrics,
            samples=self._run.grid(),
            flags=dict(self._flags.raised),
            best_step=best["step"],
            final=self._final_scores(best) if is_last else None,
            weights=best["weights"] if is_last else None,
        )
        return self._report

    def new_messages(self) -> list[str]:
        """Return the messages of the last snapshot that have not been returned yet."""
        new = [each for each in self._run.snapshot.messages if each not in self._shown]
        self._shown.update(new)
        return new

    def finish(self) -> None:
        """Run the loop to its end after its last report."""
        self._run.finish()

    def close(self) -> None:
        """End the loop, wherever it waits."""
        self._run.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the whole training state and the last report."""
        return {
            "identity": self._identity,
            RULES: VERSION,
            "hardware": self.hardware,
            "loop": self._run.state(),
            "flags": self._flags.state_dict(),
            "best": self._best,
            "report": asdict(replace(self.last_report(), weights=None)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from the state that :meth:`state_dict` returned.

        Raises:
            CheckpointMismatchError: The state has a different loop, config, dataset or extractor, or other
                rules.
        """
        self._check_identity(state["identity"])
        self._check_rules(state)
        self._load(state)
        self._best = state["best"]
        report = Report(**state["report"] | {"samples": state["report"]["samples"].cpu()})
        self._report = replace(report, weights=state["best"]["weights"]) if report.final else report
        self._restored_samples = report.samples

    def warm_start(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a different training, except for its best report.

        Raises:
            CheckpointMismatchError: The trainings differ in more than the seed and the changeable parameters,
                or in their rules.
            ValueError: The state has already completed all steps.
        """
        self._check_identity(state["identity"], except_for={"seed", *self._config.changeable})
        self._check_rules(state)
        if state["report"]["step"] >= self._config.steps:
            raise ValueError(
                f"initial_state has already completed all {self._config.steps} steps: pass an earlier state"
            )
        if state["loop"] is None:
            raise LoopError(f"{self._run.name} cannot continue: its snapshots have no state")
        self._load(state)

    def _run_from(self, loop_state: object, step: int) -> None:
        self._run = LoopRun(self._loop, self._config, self._data, self._device, loop_state, step)

    def _check_identity(self, other: Mapping[str, Any], except_for: Set[str] = frozenset()) -> None:
        """Check that a state belongs to this training, which may have moved to a different device.

        A parameter that the version of the state did not have yet had its default.
        """
        fields = type(self._config).model_fields.items()
        defaults = {name: field.default for name, field in fields if name in self._identity}
        other = defaults | dict(other)
        resolved = self._config.resolved(self._device).items()
        of_device = {name for name, value in resolved if getattr(self._config, name) != value}
        names = (self._identity.keys() | other.keys()) - except_for - of_device
        pairs = {name: (other.get(name), self._identity.get(name)) for name in names}
        differing = {name: (there, here) for name, (there, here) in pairs.items() if there != here}
        if differing:
            raise CheckpointMismatchError(differing)

    def _check_rules(self, state: Mapping[str, Any]) -> None:
        """Check that no rule that concerns this training has changed since the state was written."""
        since = state.get(RULES)
        if changed := changed_rules(since, self._config, self._data.image_shape, self._device):
            raise CheckpointMismatchError({RULES: (since, changed)})

    def _load(self, state: Mapping[str, Any]) -> None:
        self._flags.load_state_dict(state["flags"])
        self._run_from(state["loop"], state["report"]["step"])

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """The values that must match for a training to resume from a state of this one."""
        return {
            **self._config.identity(),
            "loop": loop_name(self._loop),
            "dataset": self._data.train_digest,
            "extractor": self._evaluator.protocol,
            "best_by": f"{self._goal} {self._monitor}",
        }

    def _check_restored(self) -> None:
        """Compare the samples with those of the loaded state, if the loop yields the state's step again."""
        if self._restored_samples is None:
            return
        difference = int((self._run.grid().int() - self._restored_samples.int()).abs().max())
        if difference > GREY_LEVELS:
            raise _NotRestoredError(
                f"the samples after resuming differ from the checkpoint's by up to {difference} grey levels"
            )

    def _update_best(self, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Update the best report with the current metrics, and return the best report."""
        if self._monitor not in metrics:
            raise LoopError(
                f"the reports of {self._run.name} have no {self._monitor}: their metrics are"
                f" {', '.join(metrics)}"
            )
        score, is_better = metrics[self._monitor], lt if self._goal == "minimize" else gt
        if self._best is None or is_better(score, self._best["score"]):
            self._best = {"score": score, "step": self.step, "weights": self._run.weights()}
        return self._best

    def _update_flags(self, scores: Mapping[str, float]) -> None:
        of_real = self._evaluator.floor(self._config.eval_samples).scores
        has_collapsed = "modes" in scores and collapsed(scores["modes"], of_real["modes"])
        self._flags.update(self.step, {COLLAPSE: has_collapsed, **self._run.snapshot.signs})

    def _final_scores(self, best: Mapping[str, Any]) -> dict[str, float]:
        weights = None if best["step"] == self.step else best["weights"]
        with self._run.with_weights(weights):
            return self._evaluator.final_score(self._run.images(self._config.final_samples, "final"))
