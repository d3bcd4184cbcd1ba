"""Search with Optuna alone and the tutorial's loop: ``python -m benchmarks.peers.plain_optuna``.

One process per core works on a shared study in SQLite, as Optuna's documentation shows. No trial is stopped
early. The command prints the fid of each report on a line of its own.
"""

import argparse
import os
import sys
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna

from benchmarks.peers.tutorial_training import Digits

PROCESSES = os.cpu_count() or 1


def objective(trial: optuna.Trial, digits: Digits) -> float:
    """Train one configuration, and return its lowest fid."""
    best = float("inf")
    for fid in digits.fids(
        noise_dim=trial.suggest_int("noise_dim", 16, 256),
        lr=trial.suggest_float("lr", 1e-5, 1e-2, log=True),
        beta1=trial.suggest_float("beta1", 0.0, 0.9),
        leaky_slope=trial.suggest_float("leaky_slope", 0.0, 0.4),
    ):
        print(fid, flush=True)  # noqa: T201 - read by benchmarks.in_full
        best = min(best, fid)
    return best


def work(storage: str, trials: int) -> None:
    """Train ``trials`` configurations of the study in this process."""
    digits = Digits()
    study = optuna.load_study(study_name="gan", storage=storage)
    study.optimize(lambda trial: objective(trial, digits), n_trials=trials)


def main() -> None:
    """Run the search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24, help="trials (24)")
    n_each = parser.parse_args().trials // PROCESSES
    with TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder) / 'study.db'}"
        optuna.create_study(study_name="gan", storage=storage, direction="minimize")
        context = get_context("spawn")
        processes = [context.Process(target=work, args=(storage, n_each)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main()
