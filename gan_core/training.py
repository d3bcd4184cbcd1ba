"""The training loop: one GAN on one device, from the first step to the final score."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import gt, lt
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, Literal

import torch
from torch import Tensor

from gan_core.checkpoint import load_latest_checkpoint, save_checkpoint
from gan_core.config import TrialConfig
from gan_core.datasets import ImageDataset
from gan_core.deprecation import renamed_arguments
from gan_core.errors import CheckpointMismatchError, TrainingDiverged
from gan_core.evaluation import Evaluator
from gan_core.flags import COLLAPSE, DISCRIMINATOR_WON, FlagWatch, collapsed
from gan_core.hardware import hardware, move_message
from gan_core.images import normalize, to_uint8
from gan_core.noise import draw_noise, fixed_noise, restore_rng, rng_for
from gan_core.precision import resolve_precision
from gan_core.trainer import Trainer

Goal = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Report:
    """The state of a training at one step.

    Args:
        step: The number of completed steps.
        metrics: The :data:`gan_core.step_metrics.STEP_METRICS` of the last step, ``images_per_s`` (real
            images trained on per second, without evaluation) and the evaluator's scores of
            ``config.eval_samples`` images.
        samples: 64 generated images, uint8 ``(64, C, H, W)``, from the same noise in every report.
        flags: The raised flags (see :class:`gan_core.flags.FlagWatch`) and the step that each started at.
        best_step: The reported step with the best ``monitor`` metric, by default the lowest fid.
        final: In the last report, the scores, with ``memorisation`` and ``copies``, of
            ``config.final_samples`` images that the weights of ``best_step`` generate from fresh noise; else
            None. The best of many noisy scores is biased; this score is computed only once.
        weights: In the last report, the generator's weights at ``best_step``; else None.
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
    config: TrialConfig,
    data: ImageDataset,
    evaluator: Evaluator | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | str | None = None,
    checkpoint_every_s: float = 30.0,
    initial_state: Mapping[str, Any] | None = None,
    on_damage: Callable[[str], object] = warnings.warn,
    monitor: str = "fid",
    goal: Goal = "minimize",
) -> Iterator[Report]:
    """Train one GAN, reporting every ``config.report_every`` steps and after the last step.

    The same config and data give the same reports, bit for bit on one CPU with the same number of threads.

    Args:
        config: The hyperparameters, including the seed.
        data: The dataset; each epoch has its own random order.
        evaluator: Scores the samples of each report; by default, an Evaluator for ``data``.
        device: The device to train on.
        checkpoint: A file for the whole training state; the previous checkpoint stays beside it. If the file
            exists, training yields its report again and resumes, with the reports of an unbroken run.
        checkpoint_every_s: Minimum seconds between two checkpoints. A checkpoint is written before its
            report is yielded, and always before the last report.
        initial_state: A state from :func:`gan_core.checkpoint.load_checkpoint` to continue with this config,
            which may differ in the seed and in ``config.changeable``. An existing ``checkpoint`` is then
            ignored, and the best report is the best of the new reports.
        on_damage: Called with a message if a checkpoint is corrupted: training falls back to the previous
            checkpoint or starts over. Also called if the checkpoint was written on other hardware, for
            example a GPU of another model: training resumes.
        monitor: The metric that selects the best report.
        goal: Whether to ``minimize`` or ``maximize`` ``monitor``.

    Yields:
        A report; training continues when the next one is requested.

    Raises:
        TrainingDiverged: A loss, a gradient or an image is not finite.
        CheckpointMismatchError: The checkpoint has a different config, dataset or extractor, or an average of
            the generator that an earlier version computed without a ramp.
        NotADirectoryError: The checkpoint's directory does not exist.
        ValueError: ``initial_state`` has already completed ``config.steps`` steps.
    """
    file = Path(checkpoint) if checkpoint else None
    if file and not file.parent.is_dir():
        raise NotADirectoryError(f"cannot write the checkpoint {file}: there is no directory {file.parent}")
    data = data.to_if_it_fits(device)
    evaluator = evaluator or Evaluator(data, device)
    training = _Training(config, data, evaluator, torch.device(device), monitor, goal)
    if initial_state is not None:
        training.warm_start(initial_state)
        if training.step >= config.steps:
            raise ValueError(
                f"initial_state has already completed all {config.steps} steps: pass an earlier state"
            )
    elif file and (state := load_latest_checkpoint(file, device, on_damage)):
        training.load_state_dict(state)
        if message := move_message(state.get("hardware"), training.hardware):
            on_damage(message)
        yield training.last_report()
    saved_at = monotonic()
    while training.step < config.steps:
        report = training.advance()
        if file and (report.final or monotonic() - saved_at >= checkpoint_every_s):
            save_checkpoint(file, training.state_dict())
            saved_at = monotonic()
        yield report


class _Training:
    """A trainer with its data, random generators and best report.

    The training has its own copy of torch's global random state, because a user's own network may draw from
    it; between reports, the caller's global state is unchanged.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: ImageDataset,
        evaluator: Evaluator,
        device: torch.device,
        monitor: str,
        goal: Goal,
    ) -> None:
        self._config = config
        self._monitor, self._goal = monitor, goal
        self._data = data
        self._evaluator = evaluator
        self._device = device
        self._trainer = Trainer(config, data.image_shape, device)
        self._noise_rng = rng_for("noise", config.seed, device)
        self._flip_rng = rng_for("hflip", config.seed)
        images_a_step = config.batch_size * config.d_steps
        self._batches = _ShuffledBatches(len(data.train), images_a_step, config.seed, data.train.device)
        self._flags = FlagWatch()
        self._global_rng = _seeded_global_rng(config.seed, device)
        self._best: dict[str, Any] | None = None
        self._report: Report | None = None

    @property
    def step(self) -> int:
        """The number of completed steps."""
        return self._trainer.steps_taken

    @property
    def hardware(self) -> dict[str, str]:
        """The device and the precision of this training."""
        return hardware(self._device, self._config.precision)

    def last_report(self) -> Report:
        """Return the last report, or the one that the loaded state contains."""
        if self._report is None:
            raise ValueError("there is no report yet")
        return self._report

    def advance(self) -> Report:
        """Train until the next report is due, and return it."""
        next_report = self.step - self.step % self._config.report_every + self._config.report_every
        with self._own_rng_state():
            metrics = self._train_until(min(next_report, self._config.steps))
            self._trainer.check()
            metrics |= self._evaluator.score(
                self._images(
                    self._trainer.sampling_generator.state_dict(), self._config.eval_samples, "evaluation"
                )
            )
            best = self._update_best(metrics[self._monitor])
            self._update_flags(metrics)
            noise, is_last = fixed_noise(self._config, self._device), self.step == self._config.steps
            self._report = Report(
                step=self.step,
                metrics=metrics,
                samples=to_uint8(self._trainer.generate(noise)).cpu(),
                flags=dict(self._flags.raised),
                best_step=best["step"],
                final=self._final_scores(best) if is_last else None,
                weights=best["weights"] if is_last else None,
            )
        return self._report

    def state_dict(self) -> dict[str, Any]:
        """Return the whole training state and the last report."""
        return {
            "identity": self._identity,
            "hardware": self.hardware,
            "trainer": self._trainer.state_dict(),
            "noise_rng": self._noise_rng.get_state(),
            "flip_rng": self._flip_rng.get_state(),
            "global_rng": self._global_rng,
            "batches": self._batches.state_dict(),
            "flags": self._flags.state_dict(),
            "best": self._best,
            "report": asdict(replace(self.last_report(), weights=None)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from the state that :meth:`state_dict` returned.

        Raises:
            CheckpointMismatchError: The state has a different config, dataset or extractor.
        """
        self._check_identity(state["identity"])
        self._load(state)
        self._best = state["best"]
        report = Report(**state["report"] | {"samples": state["report"]["samples"].cpu()})
        self._report = replace(report, weights=state["best"]["weights"]) if report.final else report

    def warm_start(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a different training, except for its best report.

        Raises:
            CheckpointMismatchError: The trainings differ in more than the seed and the changeable parameters.
        """
        self._check_identity(state["identity"], except_for={"seed", *self._config.changeable})
        self._load(state)

    def _check_identity(self, other: Mapping[str, Any], except_for: Set[str] = frozenset()) -> None:
        """Check that a state belongs to this training; ``auto`` is the precision of the hardware at hand.

        A parameter that the version of the state did not have yet had its default.
        """
        other = {name: field.default for name, field in TrialConfig.model_fields.items()} | dict(other)
        if self._config.precision == "auto":
            except_for = {*except_for, "precision"}
        names = (self._identity.keys() | other.keys()) - except_for
        pairs = {name: (other.get(name), self._identity.get(name)) for name in names}
        differing = {name: (there, here) for name, (there, here) in pairs.items() if there != here}
        if differing:
            raise CheckpointMismatchError(differing)

    def _load(self, state: Mapping[str, Any]) -> None:
        self._trainer.load_state_dict(state["trainer"])
        restore_rng(self._noise_rng, state["noise_rng"], "noise", self._config.seed, self.step)
        if "flip_rng" in state:
            self._flip_rng.set_state(state["flip_rng"].cpu())
        saved = [rng_state.cpu() for rng_state in state["global_rng"]]
        self._global_rng = [*saved, *self._global_rng[len(saved) :]][: len(self._global_rng)]
        self._batches.load_state_dict(state["batches"])
        self._flags.load_state_dict(state["flags"])

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """The values that must match for a training to resume from a state of this one."""
        return {
            **self._config.model_dump(),
            "precision": resolve_precision(self._config.precision, self._device),
            "ema_decay": _ema_identity(self._config.ema_decay),
            "dataset": self._data.train_digest,
            "extractor": self._evaluator.protocol,
            "best_by": f"{self._goal} {self._monitor}",
        }

    def _train_until(self, last_step: int) -> dict[str, float]:
        """Train until ``last_step``; return the last step's metrics, and ``images_per_s``."""
        started, n_images = perf_counter(), 0
        while self.step < last_step:
            real = self._next_images()
            last = self._trainer.step(real, draw_noise(self._config, len(real), self._noise_rng))
            n_images += len(real)
        metrics = dict(zip(last, torch.stack([*last.values()]).tolist(), strict=True))
        return metrics | {"images_per_s": n_images / (perf_counter() - started)}

    def _next_images(self) -> Tensor:
        """Return the next training images, in [-1, 1], on the device; with ``hflip``, half are mirrored."""
        images = normalize(self._data.train.index_select(0, self._batches.next()).to(self._device))
        if not self._config.hflip:
            return images
        is_mirrored = torch.rand(len(images), generator=self._flip_rng) < 0.5
        return torch.where(is_mirrored.to(self._device).view(-1, 1, 1, 1), images.flip(3), images)

    def _images(self, weights: Mapping[str, Tensor], n: int, purpose: str) -> Iterator[Tensor]:
        """Yield batches of ``n`` images in all, in [-1, 1], from noise that depends only on ``purpose``."""
        noise = draw_noise(self._config, n, rng_for(purpose, device=self._device))
        for images in self._trainer.sample_batches(noise, weights):
            if not images.isfinite().all():
                raise TrainingDiverged(self.step, "samples", float("nan"))
            yield images.clamp(-1, 1)

    def _update_best(self, score: float) -> dict[str, Any]:
        """Update the best report with the current ``score``, and return the best report."""
        is_better = lt if self._goal == "minimize" else gt
        if self._best is None or is_better(score, self._best["score"]):
            weights = {
                name: value.clone() for name, value in self._trainer.sampling_generator.state_dict().items()
            }
            self._best = {"score": score, "step": self.step, "weights": weights}
        return self._best

    def _update_flags(self, scores: Mapping[str, float]) -> None:
        of_real = self._evaluator.floor(self._config.eval_samples).scores
        has_collapsed = "modes" in scores and collapsed(scores["modes"], of_real["modes"])
        signs = {COLLAPSE: has_collapsed, DISCRIMINATOR_WON: self._trainer.discriminator_won}
        self._flags.update(self.step, signs)

    def _final_scores(self, best: Mapping[str, Any]) -> dict[str, float]:
        return self._evaluator.final_score(self._images(best["weights"], self._config.final_samples, "final"))

    @contextmanager
    def _own_rng_state(self) -> Iterator[None]:
        gpus = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            _set_global_rng(self._global_rng, self._device)
            try:
                yield
            finally:
                self._global_rng = _global_rng(self._device)


def _ema_identity(decay: float) -> float | str:
    """Return what identifies an average: checkpoints without a ramp and averaged buffers have the number."""
    return f"{decay} with a ramp and averaged buffers" if decay else decay


class _ShuffledBatches:
    """Endless index batches from shuffled epochs; a batch may span two epochs."""

    def __init__(self, n_images: int, batch_size: int, seed: int, device: torch.device) -> None:
        self._n_images = n_images
        self._batch_size = batch_size
        self._device = device
        self._rng = rng_for("order", seed)
        self._indices = torch.empty(0, dtype=torch.long, device=device)

    def next(self) -> Tensor:
        """Return the next batch: int64 ``(batch_size,)``."""
        while len(self._indices) < self._batch_size:
            epoch = torch.randperm(self._n_images, generator=self._rng).to(self._device)
            self._indices = torch.cat([self._indices, epoch])
        batch, self._indices = self._indices.tensor_split([self._batch_size])
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for :meth:`load_state_dict`."""
        return {"rng": self._rng.get_state(), "indices": self._indices.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state that :meth:`state_dict` returned."""
        self._rng.set_state(state["rng"].cpu())
        self._indices = state["indices"].to(self._device)


def _global_rng(device: torch.device) -> list[Tensor]:
    """Return torch's global random states: the CPU's and, if ``device`` is a GPU, that GPU's."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_global_rng(states: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)


def _seeded_global_rng(seed: int, device: torch.device) -> list[Tensor]:
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        return _global_rng(device)
