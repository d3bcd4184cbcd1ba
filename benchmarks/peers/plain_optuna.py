"""A search by Optuna alone, with the seed tutorial's loop: ``python -m benchmarks.peers.plain_optuna``.

Two processes share a study in SQLite, as Optuna's documentation has it; nothing is stopped early.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import optuna
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.step import Pictures, cycle_of
from gan_core import Evaluator, load_dataset
from tests.gan_core.seed_loop import SeedTrainer, mlp_pair

BATCH_SIZE, SAMPLES, GENERATED_AT_ONCE = 128, 2000, 250


def train(trial: optuna.Trial, steps: int, data_of: "Digits") -> float:
    """Train one configuration by the tutorial's loop, and return its fid."""
    noise_dim = trial.suggest_int("noise_dim", 16, 256)
    lr = trial.suggest_float("lr", 1e-5, 1e-2, log=True)
    betas = trial.suggest_float("beta1", 0.0, 0.9), 0.999
    trainer = SeedTrainer("mlp", "lsgan")
    trainer.generator, trainer.discriminator = mlp_pair(noise_dim)
    trainer.d_optimizer = torch.optim.Adam(trainer.discriminator.parameters(), lr=lr, betas=betas)
    trainer.g_optimizer = torch.optim.Adam(trainer.generator.parameters(), lr=lr, betas=betas)
    for real in islice(data_of.batches(), steps):
        trainer.step(real, noise(BATCH_SIZE, noise_dim))
    return data_of.evaluator.score(images(trainer, noise_dim))["fid"]


class Digits:
    """The digits in batches, as the tutorial loads them, and what scores a generator of digits."""

    def __init__(self) -> None:
        data = load_dataset("mnist-5k")
        self.evaluator = Evaluator(data)
        self._loader = DataLoader(Pictures(data.train), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)

    def batches(self) -> Iterator[Tensor]:
        """Yield batches without end."""
        return (real for real, _ in cycle_of(self._loader))


def noise(n: int, noise_dim: int) -> Tensor:
    """Return the tutorial's noise, uniform in [-1, 1]."""
    return (torch.rand(n, noise_dim) - 0.5) / 0.5


def images(trainer: SeedTrainer, noise_dim: int) -> Iterator[Tensor]:
    """Yield generated images in batches."""
    with torch.no_grad():
        for _ in range(SAMPLES // GENERATED_AT_ONCE):
            yield trainer.generator(noise(GENERATED_AT_ONCE, noise_dim)).reshape(-1, 1, 28, 28)


def work(storage: str, trials: int, steps: int) -> None:
    """Train so many configurations of the study in one process, on one thread."""
    torch.set_num_threads(1)
    digits = Digits()
    study = optuna.load_study(study_name="gan", storage=storage)
    study.optimize(lambda trial: train(trial, steps, digits), n_trials=trials)


def main() -> None:
    """Run the search, and print its best fid and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=12, help="of each of the two processes (12)")
    parser.add_argument("--steps", type=int, default=2000, help="of each trial (2000)")
    arguments = parser.parse_args()
    started = perf_counter()
    with TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder) / 'study.db'}"
        study = optuna.create_study(study_name="gan", storage=storage, direction="minimize")
        context = get_context("spawn")
        processes = [
            context.Process(target=work, args=(storage, arguments.trials, arguments.steps)) for _ in range(2)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        print(f"fid {study.best_value:.4g} in {perf_counter() - started:.0f} s")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
