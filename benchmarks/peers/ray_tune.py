"""Search with Ray Tune as its documentation shows: ``python -m benchmarks.peers.ray_tune``.

The search has a function trainable that imports torch, ``OptunaSearch``, ASHA, and ``MLflowLoggerCallback``
on SQLite. Each trial reports three scores without training, so the time is Tune's.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

REPORTS = 3


def train_gan(config: dict[str, Any]) -> None:
    """Report scores without training."""
    import torch

    for report in range(1, REPORTS + 1):
        tune.report({"fid": float(torch.tensor(config["lr"] / report))})


def main() -> None:
    """Run the search, and print the seconds per trial without the start of Ray."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20, help="trials (20)")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            train_gan,
            param_space={
                "lr": tune.loguniform(1e-5, 1e-2),
                "beta1": tune.uniform(0.0, 0.9),
                "noise_dim": tune.randint(16, 257),
            },
            tune_config=tune.TuneConfig(
                metric="fid",
                mode="min",
                search_alg=OptunaSearch(),
                scheduler=ASHAScheduler(),
                num_samples=arguments.trials,
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                callbacks=[
                    MLflowLoggerCallback(f"sqlite:///{Path(folder) / 'mlflow.db'}", experiment_name="gan")
                ],
                verbose=0,
            ),
        )
        ray.init()
        started = perf_counter()
        tuner.fit()
        print((perf_counter() - started) / arguments.trials)  # noqa: T201 - read by benchmarks.overhead


if __name__ == "__main__":
    main()
