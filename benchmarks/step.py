"""Compare the speed of a training step with the tutorial's: ``python -m benchmarks.step``.

The tutorial's loop runs as written, with its DataLoader. Each loop runs in a process of its own, on one
thread, with batches of 128 images; this project's keeps freed memory, as a sweep's workers do. The loops take
rounds in turn, and a ratio is the median over the rounds. With ``--quality``, the command instead trains five
seeds in each precision and prints their final fids.
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle, product
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from statistics import mean, median, stdev
from time import perf_counter
from typing import Literal

import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from benchmarks.figures import Figure
from gan_core import Evaluator, ImageDataset, Trainer, TrialConfig, keep_freed_memory, load_dataset, train
from gan_core.choices import Precision
from gan_core.images import normalize
from gan_core.noise import draw_noise
from gan_core.precision import has_fast_bf16
from tests.gan_core.tutorial_loop import TutorialTrainer

BATCH_SIZE = 128
SEEDS = 5
Loop = Literal["tutorial"] | Precision
TUTORIAL: Literal["tutorial"] = "tutorial"
GOALS: dict[str, dict[Precision, float]] = {
    "mlp": {"fp32": 2.3, "auto": 4.2},
    "dcgan": {"fp32": 2.0, "auto": 4.5},
}
"""Targets: the least ratio of the tutorial's step time to ours, by architecture and precision."""

KINDS: dict[str, dict[str, str]] = {
    "bce": {"loss": "bce"},
    "wasserstein, gradient penalty": {"loss": "wasserstein", "penalty": "gradient-penalty"},
}
"""The MLPs to compare in both precisions: the tutorial's, and one with second derivatives."""


class Pictures(Dataset[tuple[Tensor, int]]):
    """Digits loaded like torchvision's MNIST: each a PIL image, then the tutorial's preprocessing."""

    def __init__(self, images: Tensor) -> None:
        self._images = images.squeeze(1).numpy()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return (ToTensor()(Image.fromarray(self._images[index])) - 0.5) / 0.5, 0


def seeds_loop(architecture: str, data: ImageDataset) -> Iterator[None]:
    """Take a step of the tutorial's loop for each item."""
    trainer = TutorialTrainer(architecture, "bce")
    loader = DataLoader(Pictures(data.train), batch_size=BATCH_SIZE, drop_last=True)
    for real, _ in cycle_of(loader):
        trainer.step(real, (torch.rand(BATCH_SIZE, 96) - 0.5) / 0.5)
        yield


def cycle_of(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches epoch after epoch, loaded again in each."""
    while True:
        yield from loader


def our_loop(architecture: str, precision: Precision, data: ImageDataset) -> Iterator[None]:
    """Take a step of gan_core's loop for each item."""
    config = TrialConfig(architecture=architecture, precision=precision)
    trainer, rng = Trainer(config, data.image_shape), torch.Generator().manual_seed(0)
    n_images = len(data.train) - len(data.train) % BATCH_SIZE
    for batch in cycle(torch.randperm(n_images).split(BATCH_SIZE)):
        real = normalize(data.train.index_select(0, batch))
        trainer.step(real, draw_noise(config, len(real), rng))
        yield


def take_rounds(connection: Connection, architecture: str, loop: Loop) -> None:
    """Receive a number of steps, take them, and send the seconds per step, until the connection closes."""
    torch.set_num_threads(1)
    data = load_dataset("mnist-5k")
    if loop == TUTORIAL:
        steps = seeds_loop(architecture, data)
    else:
        keep_freed_memory()
        steps = our_loop(architecture, loop, data)
    with suppress(EOFError):
        while True:
            n_steps = connection.recv()
            started = perf_counter()
            for _ in range(n_steps):
                next(steps)
            connection.send((perf_counter() - started) / n_steps)


@contextmanager
def process_of(architecture: str, loop: Loop) -> Iterator[Connection]:
    """Run :func:`take_rounds` in a new process, and yield the connection to it."""
    ours, theirs = Pipe()
    process = get_context("spawn").Process(target=take_rounds, args=(theirs, architecture, loop), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def seconds_of_a_step(process: Connection, n_steps: int) -> float:
    """Have a process take ``n_steps`` steps, and return the seconds per step."""
    process.send(n_steps)
    seconds: float = process.recv()
    return seconds


def interleaved(architecture: str, rounds: int, n_steps: int) -> dict[Loop, list[float]]:
    """Return the seconds per step in each round of ``n_steps`` steps, by loop, after a round of warm-up."""
    loops: tuple[Loop, ...] = (TUTORIAL, *GOALS[architecture])
    with ExitStack() as stack:
        processes = [stack.enter_context(process_of(architecture, loop)) for loop in loops]
        rows = [[seconds_of_a_step(each, n_steps) for each in processes] for _ in range(1 + rounds)]
    return {loop: list(seconds) for loop, seconds in zip(loops, zip(*rows[1:], strict=True), strict=True)}


def step_times_s(rounds: int) -> dict[str, dict[Loop, list[float]]]:
    """Return the seconds per step in each round, by architecture and loop."""
    return {
        architecture: interleaved(architecture, rounds, n_steps)
        for architecture, n_steps in (("mlp", 20), ("dcgan", 3))
    }


def ratios(slower: list[float], faster: list[float]) -> list[float]:
    """Return the ratio of the slower time to the faster in each round."""
    return [long / short for long, short in zip(slower, faster, strict=True)]


def figures(*, rounds: int = 15) -> list[Figure]:
    """Measure both architectures."""
    return [
        Figure.of(
            f"{architecture}: the tutorial's step over ours, {precision}",
            ratios(seconds[TUTORIAL], seconds[precision]),
            goal,
            is_at_most=False,
        )
        for architecture, seconds in step_times_s(rounds).items()
        for precision, goal in GOALS[architecture].items()
    ]


def speed(rounds: int) -> Table:
    """Measure both architectures, and return a table."""
    auto = "bf16" if has_fast_bf16(torch.device("cpu")) else "fp32"
    table = Table(title=f"Steps of {BATCH_SIZE} images on one thread; auto is {auto} here")
    for column in ("architecture", "loop", "steps a second", "times the tutorial's"):
        table.add_column(column, justify="left" if column in {"architecture", "loop"} else "right")
    for architecture, times in step_times_s(rounds).items():
        for loop, seconds in times.items():
            name = loop if loop == TUTORIAL else f"gan_core, {loop}"
            ratio = median(ratios(times[TUTORIAL], seconds))
            table.add_row(architecture, name, f"{1 / median(seconds):.2f}", f"{ratio:.2f}")
    return table


def quality(data: ImageDataset, steps: int) -> Table:
    """Train five seeds of each kind in each precision, and return a table of their final fids."""
    evaluator = Evaluator(data)
    table = Table(title=f"Final fid of {SEEDS} seeds after {steps} steps of {BATCH_SIZE} images")
    for column in ("loss", "precision", "mean", "standard deviation", "each"):
        table.add_column(column)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for kind, precision in product(KINDS, precisions):
        shared = {"lr": 1e-3, "beta1": 0.0, "steps": steps, "report_every": steps, "eval_samples": 2000}
        config = TrialConfig.model_validate(KINDS[kind] | shared | {"precision": precision})
        fids = [
            final_fid(config.model_copy(update={"seed": seed}), data, evaluator)
            for seed in track(range(SEEDS), f"{kind} in {precision}", console=Console(stderr=True))
        ]
        each = " ".join(f"{fid:.4g}" for fid in fids)
        table.add_row(kind, precision, f"{mean(fids):.4g}", f"{stdev(fids):.3g}", each)
    return table


def final_fid(config: TrialConfig, data: ImageDataset, evaluator: Evaluator) -> float:
    """Train one GAN, and return its final fid."""
    *_, last = train(config, data, evaluator)
    if last.final is None:
        raise RuntimeError("the last report has no final score")
    return last.final["fid"]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each loop (15)")
    parser.add_argument("--quality", action="store_true", help="compare the fid of fp32 and bf16 instead")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each training of --quality (1000)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    table = (
        quality(load_dataset("mnist-5k"), arguments.steps) if arguments.quality else speed(arguments.rounds)
    )
    Console().print(table)


if __name__ == "__main__":
    main()
