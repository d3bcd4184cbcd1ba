"""Time a training loop: its steps, without what happens at its reports, and its samples."""

from dataclasses import dataclass
from time import perf_counter

import torch

from gan_core.datasets import ImageDataset
from gan_core.loop_config import LoopConfig
from gan_core.loops.crashes import crashes_named
from gan_core.loops.declaration import Loop
from gan_core.loops.run import LoopRun
from gan_core.loops.sampling import PIECE

SECONDS = 2.0
LEAST_REPORTS = 3
"""The first report is not timed: it includes the start of the loop and slow first steps."""


@dataclass(frozen=True)
class LoopSpeed:
    """How fast a loop is on one device.

    Args:
        step_s: Seconds a step.
        image_s: Seconds to draw one sample, among many.
    """

    step_s: float
    image_s: float


def loop_speed(
    loop: Loop,
    data: ImageDataset,
    config: LoopConfig,
    device: torch.device | str = "cpu",
    seconds: float = SECONDS,
) -> LoopSpeed:
    """Train for about ``seconds``, and return how fast the loop is.

    Fast loops are timed over several steps between two reports, because what a loop does at a report costs
    time, too. No more than ``config.steps`` steps are taken, unless those are fewer than 3.

    Args:
        loop: The training loop.
        data: The dataset.
        config: The hyperparameters.
        device: The device to train on.
        seconds: The time to train for, beside the start of the loop.

    Raises:
        LoopError: The loop breaks the protocol, or raises an exception; the message names the loop.
        TrainingDiverged: The loop diverges.
    """
    device, data = torch.device(device), data.to_if_it_fits(device)
    config = config.model_copy(update={"steps": max(config.steps, LEAST_REPORTS)})
    with crashes_named(loop):
        first = _timed(loop, data, config.model_copy(update={"report_every": 1}), device, seconds / 4)
        every = min(int(seconds / 4 / first.step_s), config.steps // LEAST_REPORTS)
        if every <= 1:
            return first
        return _timed(loop, data, config.model_copy(update={"report_every": every}), device, seconds)


def _timed(
    loop: Loop, data: ImageDataset, config: LoopConfig, device: torch.device, seconds: float
) -> LoopSpeed:
    """Time the steps after the first report until ``seconds`` have passed or the last step is done."""
    run = LoopRun(loop, config, data, device)
    try:
        run.advance()
        _synchronize(device)
        before, started = run.step, perf_counter()
        while run.step < config.steps and perf_counter() - started < seconds:
            run.advance()
        _synchronize(device)
        step_s = (perf_counter() - started) / (run.step - before)
        return LoopSpeed(step_s, _image_seconds(run))
    finally:
        run.close()


def _image_seconds(run: LoopRun) -> float:
    """Return the time to draw a sample; the first batch, which may be slow, is not timed."""
    for batch in run.images(PIECE, "speed"):
        batch.cpu()
    started = perf_counter()
    for batch in run.images(PIECE, "speed"):
        batch.cpu()
    return (perf_counter() - started) / PIECE


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
