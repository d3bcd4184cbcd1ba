"""Check a training loop in a few steps, before a sweep trains it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.component import check_declarations
from gan_core.datasets import ImageDataset
from gan_core.errors import ImportPathError, LoopError, TrainingDiverged
from gan_core.images import normalize
from gan_core.loop_config import LoopConfig
from gan_core.loops.crashes import crashes_named
from gan_core.loops.declaration import Loop, check_config, config_class, loop_name
from gan_core.loops.reports import Comparison, Observed
from gan_core.loops.run import LoopRun
from gan_core.loops.sampling import PIECE

REPORT_EVERY, STEPS = 3, 7
"""The check's loops report at steps 3, 6 and 7."""

DARK = -0.5
"""A dataset with darker pixels than this is not in [0, 1]."""

OnProgress = Callable[[str], object]


@dataclass(frozen=True)
class LoopCheck:
    """What a check of a training loop found.

    Args:
        passed: Sentences on what the loop does right; the subject of each is the loop.
        remarks: What the loop omits or probably does wrong, each a sentence.
        checkpoint_bytes: The size of the loop's part of a checkpoint: its state, and the generator's weights
            at the best report. None if the loop yields no state.
        keeps_best: Whether the loop yields a generator, so that the final score is that of its best report.
        metrics: The names of the loop's own metrics.
    """

    passed: tuple[str, ...]
    remarks: tuple[str, ...]
    checkpoint_bytes: int | None
    keeps_best: bool
    metrics: tuple[str, ...] = ()

    @property
    def resumes(self) -> bool:
        """Whether an interrupted training resumes; otherwise, it starts over."""
        return self.checkpoint_bytes is not None


def check_loop(
    loop: Loop,
    data: ImageDataset,
    config: LoopConfig | None = None,
    device: torch.device | str = "cpu",
    on_progress: OnProgress = lambda _: None,
) -> LoopCheck:
    """Run a training loop for 7 steps, and a few more times for fewer steps, and check it.

    - The loop yields when a report is due, and ends after its last step.
    - Its samples are finite images of the dataset's shape in [-1, 1], for 250 images at once and for one.
    - Its own metrics are finite numbers.
    - One seed gives one result, and another seed another.
    - Sampling does not change the training.
    - The weights of the generator at one report, loaded at the next one, give the samples of the first again.
    - A loop that restarts from the state of its first report has the second report of an unbroken run:
      samples, metrics and state. This finds a forgotten optimizer, average or order of the data.

    Metrics with a name that ends in ``_s``, for example ``images_per_s``, are times and are not compared.

    Args:
        loop: The training loop.
        data: The dataset.
        config: The hyperparameters; by default, the defaults of the loop's own class. The check replaces
            ``steps`` with 7 and ``report_every`` with 3.
        device: The device. Results are compared exactly on a CPU, and approximately on any other device.
        on_progress: Called with what the check waits for, before each part of it.

    Returns:
        What the loop does right, and what it omits.

    Raises:
        LoopError: The loop fails a check, raises an exception or diverges; the message names the loop, the
            fault and the remedy.
    """
    declared = config_class(loop) if config is None else type(config)
    try:
        check_declarations(declared, declared.__name__)
    except ImportPathError as error:
        raise LoopError(f"{loop_name(loop)}: {error}") from error
    config = config or declared()
    check_config(loop, config)
    config = config.model_copy(update={"steps": STEPS, "report_every": REPORT_EVERY})
    with _divergence_named(loop), crashes_named(loop):
        return _Check(loop, config, data.to_if_it_fits(device), torch.device(device), on_progress).run()


def no_state(name: str) -> str:
    """Return the remark on the loop of this name if it yields no state."""
    return f"{name} yields no state: an interrupted training starts over"


class _Check:
    """One check of a loop."""

    def __init__(
        self,
        loop: Loop,
        config: LoopConfig,
        data: ImageDataset,
        device: torch.device,
        on_progress: OnProgress,
    ) -> None:
        self._loop = loop
        self._config = config
        self._data = data
        self._device = device
        self._name = loop_name(loop)
        self._on_progress = on_progress
        self._compare = Comparison(device)
        self._passed: list[str] = []
        self._size: int | None = None
        self._metrics: tuple[str, ...] = ()

    def run(self) -> LoopCheck:
        first, second, from_weights = self._whole_run()
        self._check_seeds(first)
        self._check_sampling(second)
        if from_weights is not None:
            self._check_generator(first, from_weights)
        if first.state is not None:
            self._check_restart(first, second)
        remarks = [remark for remark in (self._range_remark(first), self._state_remark(first)) if remark]
        keeps_best = first.weights is not None
        return LoopCheck(tuple(self._passed), tuple(remarks), self._size, keeps_best, self._metrics)

    def _whole_run(self) -> tuple[Observed, Observed, Tensor | None]:
        """Run the loop to its end.

        Returns:
            Its first two reports; and the samples at the second report with the generator's weights of the
            first, if there is a generator.
        """
        with self._started() as run:
            first, second = self._report(run), self._report(run)
            with run.with_weights(first.weights):
                from_weights = None if first.weights is None else self._samples(run)
            self._report(run)
            self._on_progress(f"waiting for the end of {self._name} after its last step, {STEPS}")
            run.finish()
        c, h, w = self._data.image_shape
        self._passed += [
            "yields at each report, and ends after its last step",
            f"draws finite images of shape {c} x {h} x {w} in [-1, 1], {PIECE} at once and one alone",
        ]
        if first.metrics:
            self._passed.append(f"reports finite numbers: {', '.join(first.metrics)}")
        return first, second, from_weights

    def _check_seeds(self, first: Observed) -> None:
        with self._started() as run:
            again = self._report(run)
        if difference := self._compare.difference(first, again):
            raise LoopError(
                f"{self._name}: two runs with one seed differ at step {first.step}: {difference}: build"
                " everything inside the function, draw all random numbers from torch, NumPy or random, and"
                " do not seed them from the time"
            )
        with self._started(seed=self._config.seed + 1) as run:
            other = self._report(run)
        if torch.equal(first.sample, other.sample):
            raise LoopError(
                f"{self._name}: runs with the seeds {self._config.seed} and {self._config.seed + 1} have"
                f" equal samples at step {first.step}: do not seed random numbers with a constant; they are"
                " seeded with config.seed"
            )
        exactly = "bit for bit" if self._compare.is_exact else "up to rounding"
        self._passed.append(f"gives one result with one seed, {exactly}, and another with another seed")

    def _check_sampling(self, second: Observed) -> None:
        """Compare with a run that draws no samples at its first report."""
        with self._started() as run:
            self._advance(run)
            unsampled = self._report(run)
        if difference := self._compare.difference(second, unsampled):
            raise LoopError(
                f"{self._name}: sampling changes the training: {difference} at step {second.step} differs if"
                f" no samples are drawn at step {REPORT_EVERY}: sample in eval mode, and put train mode back"
            )
        self._passed.append("trains alike whether or not samples are drawn")

    def _check_generator(self, first: Observed, from_weights: Tensor) -> None:
        if not self._compare.are_equal(first.sample, from_weights):
            raise LoopError(
                f"{self._name}: the generator's weights of step {first.step}, loaded at the next report, do"
                f" not give the samples of step {first.step} again: yield as generator the module that sample"
                " uses, with all that changes in its parameters and buffers, or yield no generator"
            )
        self._passed.append("draws the samples of an earlier report again from the weights of its generator")

    def _check_restart(self, first: Observed, second: Observed) -> None:
        when = f" after a restart from the state of step {first.step}"
        with crashes_named(self._loop, when), self._started(first.state, first.step) as run:
            restarted = self._report(run)
            if restarted.step == first.step:
                restarted = self._report(run)
        if difference := self._compare.difference(second, restarted):
            raise LoopError(
                f"{self._name}: {difference} at step {second.step} differs after a restart from the state of"
                f" step {first.step}: save and load all that training changes, for example the optimizers,"
                " the average, the schedule, and the order of the data, batches.state_dict(); continue with"
                " the step after the loaded one; and yield after the step, not before it"
            )
        same = "equals" if self._compare.is_exact else "equals, up to rounding,"
        self._passed.append(
            f"resumes: the report of step {second.step} {same} that of a run that restarts from the state of"
            f" step {first.step}"
        )

    @contextmanager
    def _started(self, state: object = None, step: int = 0, seed: int | None = None) -> Iterator[LoopRun]:
        config = self._config if seed is None else self._config.model_copy(update={"seed": seed})
        run = LoopRun(self._loop, config, self._data, self._device, state, step)
        try:
            yield run
        finally:
            self._on_progress(f"closing {self._name}")
            run.close()

    def _advance(self, run: LoopRun) -> None:
        self._on_progress(f"waiting for {self._name} to report step {self._config.next_report(run.step)}")
        run.advance()

    def _report(self, run: LoopRun) -> Observed:
        """Run to the next report, and return a copy of what it shows."""
        self._advance(run)
        self._on_progress(f"drawing samples of {self._name} at step {run.step}")
        every = run.metrics()
        self._metrics = tuple(dict.fromkeys((*self._metrics, *every)))
        metrics = {name: value for name, value in every.items() if not name.endswith("_s")}
        for name, value in metrics.items():
            if not isfinite(value):
                raise LoopError(
                    f"{self._name}: the metric {name} is {value} at step {run.step}: a trial with a metric"
                    " that is not finite ends as diverged"
                )
        samples = self._samples(run)
        if not self._compare.are_equal(samples, self._samples(run)):
            raise LoopError(
                f"{self._name}: sample returns other images for the same random numbers: draw them from rng"
            )
        run.grid()
        return Observed(run.step, samples, metrics, self._saved_state(run), run.weights())

    def _samples(self, run: LoopRun) -> Tensor:
        return torch.cat([*run.images(PIECE + 1, "check")]).cpu()

    def _saved_state(self, run: LoopRun) -> Any:  # noqa: ANN401 - a loop chooses its state
        """Return the state as a training that resumes from a checkpoint gets it, and note its size."""
        if (state := run.state()) is None:
            return None
        with TemporaryDirectory() as folder:
            file = Path(folder) / "checkpoint"
            save_checkpoint(file, {"loop": state, "weights": run.weights()})
            self._size = file.stat().st_size
            return load_checkpoint(file)["loop"]

    def _range_remark(self, first: Observed) -> str | None:
        """Return a remark if the samples are probably in [0, 1], and the dataset is in [-1, 1]."""
        low, high = torch.stack(first.sample.aminmax()).tolist()
        if low < 0 or low == high or normalize(self._data.train[:PIECE]).min() > DARK:
            return None
        return (
            f"{self._name}: all samples are in [{low:.2g}, {high:.2g}], and the images of {self._data.name}"
            " in [-1, 1]: if sample returns images in [0, 1], return 2 * images - 1"
        )

    def _state_remark(self, first: Observed) -> str | None:
        if first.state is not None:
            return None
        return no_state(self._name)


@contextmanager
def _divergence_named(loop: Loop) -> Iterator[None]:
    """Raise a divergence as a LoopError that names the loop."""
    try:
        yield
    except TrainingDiverged as error:
        raise LoopError(f"{loop_name(loop)} diverges in the first {STEPS} steps: {error}") from error
