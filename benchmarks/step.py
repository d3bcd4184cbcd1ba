"""How fast a training step is: ``python -m benchmarks.step``.

Against the seed tutorial's loop as written, with its DataLoader, on one thread and in batches of 128, rounds
of each taken in turn; the ratios are of median times. ``--quality`` trains both precisions on five seeds and
prints the final fid of each instead.
"""

import argparse
from collections.abc import Iterator
from itertools import cycle
from statistics import mean, median, stdev
from time import perf_counter

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from benchmarks.figures import Figure
from gan_core import Evaluator, ImageDataset, Trainer, TrialConfig, keep_freed_memory, load_dataset, train
from gan_core.images import to_unit_range
from gan_core.noise import draw_noise
from gan_core.precision import gains_from_bf16
from tests.gan_core.seed_loop import SeedTrainer

BATCH_SIZE = 128
SEEDS = 5
TUTORIAL, AUTO = "tutorial", "gan_core, auto"


class Pictures(Dataset[tuple[Tensor, int]]):
    """Digits as torchvision's MNIST gives them: a PIL image each, then the tutorial's preprocessing."""

    def __init__(self, images: Tensor) -> None:
        self._images = images.squeeze(1).numpy()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return (ToTensor()(Image.fromarray(self._images[index])) - 0.5) / 0.5, 0


def seeds_loop(architecture: str, data: ImageDataset) -> Iterator[None]:
    """Take a step of the tutorial's loop each time the next item is asked for."""
    trainer = SeedTrainer(architecture, "bce")
    loader = DataLoader(Pictures(data.train), batch_size=BATCH_SIZE, drop_last=True)
    for real, _ in cycle_of(loader):
        trainer.step(real, (torch.rand(BATCH_SIZE, 96) - 0.5) / 0.5)
        yield


def cycle_of(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of one epoch after another, loaded anew each time."""
    while True:
        yield from loader


def our_loop(architecture: str, precision: str, data: ImageDataset) -> Iterator[None]:
    """Take a step of gan_core's loop each time the next item is asked for."""
    config = TrialConfig(architecture=architecture, precision=precision)
    trainer, rng = Trainer(config, data.image_shape), torch.Generator().manual_seed(0)
    n_images = len(data.train) - len(data.train) % BATCH_SIZE
    for batch in cycle(torch.randperm(n_images).split(BATCH_SIZE)):
        real = to_unit_range(data.train.index_select(0, batch))
        trainer.step(real, draw_noise(config, len(real), rng))
        yield


def interleaved(loops: dict[str, Iterator[None]], rounds: int, steps: int) -> dict[str, float]:
    """Return the median time of a step in seconds, of rounds of ``steps`` of each loop in turn."""
    times: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        next(loop)
    for _ in range(rounds):
        for name, loop in loops.items():
            started = perf_counter()
            for _ in range(steps):
                next(loop)
            times[name].append((perf_counter() - started) / steps)
    return {name: median(seconds) for name, seconds in times.items()}


def step_times_s(data: ImageDataset, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of a step of each loop, by architecture."""
    return {
        architecture: interleaved(
            {
                TUTORIAL: seeds_loop(architecture, data),
                "gan_core, fp32": our_loop(architecture, "fp32", data),
                AUTO: our_loop(architecture, "auto", data),
            },
            rounds,
            steps,
        )
        for architecture, steps in (("mlp", 10), ("dcgan", 2))
    }


def figures(*, rounds: int = 15) -> list[Figure]:
    """Measure both architectures."""
    torch.set_num_threads(1)
    keep_freed_memory()
    return [
        Figure(
            f"{architecture}: steps a second",
            1 / seconds[AUTO],
            is_at_most=False,
            peers={"the tutorial's loop": 1 / seconds[TUTORIAL]},
        )
        for architecture, seconds in step_times_s(load_dataset("mnist-5k"), rounds).items()
    ]


def speed(data: ImageDataset, rounds: int) -> Table:
    """Measure both architectures and return the table."""
    auto = "bf16" if gains_from_bf16(torch.device("cpu")) else "fp32"
    table = Table(title=f"Steps of {BATCH_SIZE} images on one thread; auto is {auto} here")
    for column in ("architecture", "loop", "steps a second", "times the tutorial's"):
        table.add_column(column, justify="left" if column in {"architecture", "loop"} else "right")
    for architecture, seconds in step_times_s(data, rounds).items():
        for name, each in seconds.items():
            table.add_row(architecture, name, f"{1 / each:.2f}", f"{seconds[TUTORIAL] / each:.2f}")
    return table


def quality(data: ImageDataset, steps: int) -> Table:
    """Train five seeds of each precision and return their final fids as a table."""
    evaluator = Evaluator(data)
    table = Table(title=f"Final fid of {SEEDS} seeds after {steps} steps of {BATCH_SIZE} images")
    for column in ("precision", "mean", "standard deviation", "each"):
        table.add_column(column)
    for precision in ("fp32", "bf16"):
        fids = [final_fid(precision, seed, steps, data, evaluator) for seed in range(SEEDS)]
        table.add_row(
            precision, f"{mean(fids):.4g}", f"{stdev(fids):.3g}", " ".join(f"{fid:.4g}" for fid in fids)
        )
    return table


def final_fid(precision: str, seed: int, steps: int, data: ImageDataset, evaluator: Evaluator) -> float:
    """Train one MLP with a learning rate that is good for it, and return its final fid."""
    config = TrialConfig(
        lr=1e-3, beta1=0.0, precision=precision, seed=seed, steps=steps, report_every=steps, eval_samples=2000
    )
    *_, last = train(config, data, evaluator)
    if last.final is None:
        raise RuntimeError("the last report has no final score")
    return last.final["fid"]


def main() -> None:
    """Measure what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each loop (15)")
    parser.add_argument("--quality", action="store_true", help="compare the fid of fp32 and bf16 instead")
    parser.add_argument("--steps", type=int, default=1000, help="steps of a training of --quality (1000)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    data = load_dataset("mnist-5k")
    table = quality(data, arguments.steps) if arguments.quality else speed(data, arguments.rounds)
    Console().print(table)


if __name__ == "__main__":
    main()
