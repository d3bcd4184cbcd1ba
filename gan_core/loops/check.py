"""Check a training loop in a few steps, before a sweep trains it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.datasets import ImageDataset
from gan_core.errors import GanCoreError, LoopError, in_one_line
from gan_core.loop_config import LoopConfig
from gan_core.loops.declaration import Loop, check_config, config_class, loop_name
from gan_core.loops.run import LoopRun
from gan_core.loops.sampling import PIECE

REPORT_EVERY, STEPS = 3, 7
"""The check's loops report at steps 3, 6 and 7."""

GPU_TOLERANCE = 1e-2


def check_loop(
    loop: Loop,
    data: ImageDataset,
    config: LoopConfig | None = None,
    device: torch.device | str = "cpu",
) -> list[str]:
    """Run a training loop for 7 steps, and a few more times for fewer steps, and check it.

    - The loop yields when a report is due, and ends after its last step.
    - Its samples are finite images of the dataset's shape in [-1, 1], for 250 images at once and for one.
    - One seed gives one result, and another seed another.
    - Sampling does not change the training.
    - A loop that restarts from the state of its first report has the second report of an unbroken run:
      samples, metrics and state. This finds a forgotten optimizer, average or order of the data.

    Metrics with a name that ends in ``_s``, for example ``images_per_s``, are times and are not compared.

    Args:
        loop: The training loop.
        data: The dataset.
        config: The hyperparameters; by default, the defaults of the loop's own class. The check replaces
            ``steps`` with 7 and ``report_every`` with 3.
        device: The device. Results are compared exactly on a CPU, and approximately on any other device.

    Returns:
        Remarks on what the loop does without, each a sentence; empty if there is nothing to remark.

    Raises:
        LoopError: The loop fails a check; the message names the loop, the fault and the remedy.
        TrainingDiverged: The loop diverges.
    """
    config = config or config_class(loop)()
    check_config(loop, config)
    config = config.model_copy(update={"steps": STEPS, "report_every": REPORT_EVERY})
    check = _Check(loop, config, data.to_if_it_fits(device), torch.device(device))
    with _crashes_named(loop):
        return check.run()


@dataclass(frozen=True)
class _Observed:
    """What one report of a loop shows.

    Args:
        step: The number of completed steps.
        parts: Its samples, its metrics and its state, each by its name in messages.
    """

    step: int
    parts: Mapping[str, Any]


class _Check:
    """One check of a loop."""

    def __init__(self, loop: Loop, config: LoopConfig, data: ImageDataset, device: torch.device) -> None:
        self._loop = loop
        self._config = config
        self._data = data
        self._device = device
        self._name = loop_name(loop)

    def run(self) -> list[str]:
        first, second = self._whole_run()
        self._check_seeds(first)
        self._check_sampling(second)
        state = first.parts["state()"]
        if state is None:
            return [f"{self._name} yields no state: an interrupted training starts over"]
        self._check_restart(state, first.step, second)
        return []

    def _whole_run(self) -> tuple[_Observed, _Observed]:
        """Run the loop to its end, and return its first two reports."""
        with self._started() as run:
            reports = [self._report(run) for _ in range(3)]
            run.finish()
        return reports[0], reports[1]

    def _check_seeds(self, first: _Observed) -> None:
        with self._started() as run:
            again = self._report(run)
        if difference := self._difference(first, again):
            raise LoopError(
                f"{self._name}: two runs with one seed differ at step {first.step}: {difference}: draw all"
                " random numbers from torch, NumPy or random, and do not seed them from the time"
            )
        with self._started(seed=self._config.seed + 1) as run:
            other = self._report(run)
        if torch.equal(first.parts["sample"], other.parts["sample"]):
            raise LoopError(
                f"{self._name}: runs with the seeds {self._config.seed} and {self._config.seed + 1} have"
                f" equal samples at step {first.step}: do not seed random numbers with a constant; they are"
                " seeded with config.seed"
            )

    def _check_sampling(self, second: _Observed) -> None:
        """Compare with a run that draws no samples at its first report."""
        with self._started() as run:
            run.advance()
            unsampled = self._report(run)
        if difference := self._difference(second, unsampled):
            raise LoopError(
                f"{self._name}: sampling changes the training: {difference} at step {second.step} differs if"
                f" no samples are drawn at step {REPORT_EVERY}: sample in eval mode, and put train mode back"
            )

    def _check_restart(self, state: object, step: int, second: _Observed) -> None:
        with self._started(_saved_and_loaded(state), step) as run:
            restarted = self._report(run)
            if restarted.step == step:
                restarted = self._report(run)
        if difference := self._difference(second, restarted):
            raise LoopError(
                f"{self._name}: {difference} at step {second.step} differs after a restart from the state of"
                f" step {step}: save and load all that training changes, for example the optimizers, the"
                " average, the schedule, and the order of the data, batches.state_dict()"
            )

    @contextmanager
    def _started(self, state: object = None, step: int = 0, seed: int | None = None) -> Iterator[LoopRun]:
        config = self._config if seed is None else self._config.model_copy(update={"seed": seed})
        run = LoopRun(self._loop, config, self._data, self._device, state, step)
        try:
            yield run
        finally:
            run.close()

    def _report(self, run: LoopRun) -> _Observed:
        """Run to the next report, and return a copy of what it shows."""
        run.advance()
        metrics = {
            f"the metric {name}": value for name, value in run.metrics().items() if not name.endswith("_s")
        }
        samples = torch.cat([*run.images(PIECE + 1, "check")])
        if not self._equal(samples, torch.cat([*run.images(PIECE + 1, "check")])):
            raise LoopError(
                f"{self._name}: sample returns other images for the same random numbers: draw them from rng"
            )
        run.grid()
        state = None if (its := run.state()) is None else _saved_and_loaded(its)
        return _Observed(run.step, {"sample": samples.cpu(), **metrics, "state()": state})

    def _difference(self, one: _Observed, other: _Observed) -> str | None:
        """Return the name of the first part that differs: causes, in the state, before their samples."""
        names = sorted(one.parts.keys() | other.parts.keys(), key=lambda name: (name == "sample", name))
        found = (self._differing(name, one.parts.get(name), other.parts.get(name)) for name in names)
        return next(filter(None, found), None)

    def _differing(self, path: str, one: object, other: object) -> str | None:
        """Return the path of the first value that differs; None if there is none."""
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            found = (self._differing(f"{path}[{key!r}]", one[key], other[key]) for key in one)
            return next(filter(None, found), None)
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
            pairs = enumerate(zip(one, other, strict=True))
            return next(
                filter(None, (self._differing(f"{path}[{index}]", *pair) for index, pair in pairs)), None
            )
        return None if self._equal(one, other) else path

    def _equal(self, one: object, other: object) -> bool:
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            if self._device.type == "cpu" or one.shape != other.shape or not one.is_floating_point():
                return torch.equal(one, other) or (one.dtype == torch.uint8 and self._device.type != "cpu")
            return torch.allclose(one, other, GPU_TOLERANCE, GPU_TOLERANCE, equal_nan=True)
        if isinstance(one, float) and isinstance(other, float) and self._device.type != "cpu":
            return abs(one - other) <= GPU_TOLERANCE * max(1.0, abs(one))
        return one == other or (one != one and other != other)


def _saved_and_loaded(state: object) -> Any:  # noqa: ANN401 - a loop chooses its state
    """Return a copy of a state, as a training that resumes from a checkpoint gets it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint"
        save_checkpoint(file, {"loop": state})
        return load_checkpoint(file)["loop"]


@contextmanager
def _crashes_named(loop: Loop) -> Iterator[None]:
    """Raise an exception of the loop's own as a LoopError that names the loop."""
    try:
        yield
    except GanCoreError:
        raise
    except Exception as error:
        raise LoopError(f"{loop_name(loop)} raised {in_one_line(error)}") from error
