"""Measure the time of a training outside of its steps: ``python -m benchmarks.evaluation``.

The benchmark trains once on the embedded digits at the default settings, as a worker does: on one thread,
with a checkpoint every half minute and the samples of each report as a PNG. Times are CPU times, which other
processes hardly change; they do not include waiting for the disk.
"""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import ParamSpec, TypeVar, get_args
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from gan_core import (
    Evaluator,
    ImageDataset,
    Trainer,
    TrialConfig,
    images,
    keep_freed_memory,
    load_dataset,
    train,
    training,
)
from gan_core.choices import Precision
from gan_core.precision import resolve_precision

P = ParamSpec("P")
R = TypeVar("R")

STEPS, REST = "steps", "batches and the rest"
BESIDE = ("evaluation", "samples", "checkpoints", "final score")
MOST_KEEPING_PERCENT = 3.0
TIMED = [
    (STEPS, Trainer, "step"),
    ("evaluation", Evaluator, "score"),
    ("samples", Trainer, "generate"),
    ("samples", images, "png_grid"),
    ("checkpoints", training, "save_checkpoint"),
    ("final score", Evaluator, "final_score"),
]
"""The functions of each part; none calls any other of them."""


def cpu_seconds(config: TrialConfig, data: ImageDataset, evaluator: Evaluator) -> dict[str, float]:
    """Train once and return the CPU seconds of each part.

    torch imports more modules for the first optimizer of a process, so one is made before the time starts.
    """
    Trainer(config, data.image_shape)
    seconds = dict.fromkeys((STEPS, REST, *BESIDE), 0.0)
    with ExitStack() as stack:
        for part, owner, name in TIMED:
            counted = timed(getattr(owner, name), part, seconds)
            stack.enter_context(patch.object(owner, name, counted))
        folder = stack.enter_context(TemporaryDirectory())
        started = process_time()
        for report in train(config, data, evaluator, checkpoint=Path(folder) / "checkpoint"):
            images.png_grid(report.samples)
        total = process_time() - started
    return seconds | {REST: total - sum(seconds.values())}


def timed(function: Callable[P, R], part: str, seconds: dict[str, float]) -> Callable[P, R]:
    """Return the function; it adds the CPU time of each call to ``seconds[part]``."""

    @wraps(function)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        started = process_time()
        result = function(*args, **kwargs)
        seconds[part] += process_time() - started
        return result

    return counted


def table_of(seconds: dict[str, float], title: str) -> Table:
    """Return a table of the parts and their shares, with the sum of the parts other than the steps."""
    table, total = Table(title=title), sum(seconds.values())
    table.add_column("part")
    for column in ("CPU seconds", "share"):
        table.add_column(column, justify="right")
    beside = sum(seconds[part] for part in BESIDE)
    for part, each in {**seconds, "all": total, f"{', '.join(BESIDE)}": beside}.items():
        table.add_row(part, f"{each:.2f}", f"{each / total:.1%}")
    return table


def figures(*, steps: int | None = None) -> list[Figure]:
    """Train once at the default settings, or with another number of steps."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data = load_dataset("mnist-5k")
    config = TrialConfig() if steps is None else TrialConfig(steps=steps)
    seconds = cpu_seconds(config, data, Evaluator(data))
    total = sum(seconds.values())
    kept, beside = (
        100 * sum(seconds[part] for part in parts) / total for parts in (("samples", "checkpoints"), BESIDE)
    )
    return [
        Figure("checkpoints and samples, % of a trial's time", kept, asked=MOST_KEEPING_PERCENT),
        Figure("everything but the steps, % of a trial's time", beside),
    ]


def main() -> None:
    """Train once, and print the table."""
    defaults = TrialConfig()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=get_args(Precision), default=defaults.precision)
    parser.add_argument(
        "--steps", type=int, default=defaults.steps, help=f"training steps ({defaults.steps})"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    data = load_dataset("mnist-5k")
    config = TrialConfig(precision=arguments.precision, steps=arguments.steps)
    precision = resolve_precision(config.precision, torch.device("cpu"))
    title = f"A training of {config.steps} steps in {precision}, on one thread"
    Console().print(table_of(cpu_seconds(config, data, Evaluator(data)), title))


if __name__ == "__main__":
    main()
