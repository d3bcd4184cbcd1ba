"""Search with Ray Tune and the tutorial's loop: ``python -m benchmarks.peers.ray_tune_search``.

As in Ray Tune's documentation, the search has a function trainable, ``OptunaSearch``, and
``MLflowLoggerCallback`` on SQLite. Trials run first in, first out, on one core each; none is stopped early.
The command prints the fid of each report on a line of its own.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch


def train_gan(config: dict[str, Any]) -> None:
    """Train one configuration, and report its fids."""
    from benchmarks.peers.tutorial_training import Digits

    for fid in Digits().fids(**config):
        tune.report({"fid": fid})


class Printed(tune.Callback):
    """Prints the fid of each report."""

    def on_trial_result(self, *, result: dict[str, Any], **_info: object) -> None:
        """Print the fid."""
        print(result["fid"], flush=True)  # noqa: T201 - read by benchmarks.in_full


def main() -> None:
    """Run the search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24, help="trials (24)")
    trials = parser.parse_args().trials
    with TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(train_gan, {"cpu": 1}),
            param_space={
                "noise_dim": tune.randint(16, 257),
                "lr": tune.loguniform(1e-5, 1e-2),
                "beta1": tune.uniform(0.0, 0.9),
                "leaky_slope": tune.uniform(0.0, 0.4),
            },
            tune_config=tune.TuneConfig(
                metric="fid", mode="min", search_alg=OptunaSearch(), num_samples=trials
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                callbacks=[
                    MLflowLoggerCallback(f"sqlite:///{Path(folder) / 'mlflow.db'}", experiment_name="gan"),
                    Printed(),
                ],
                verbose=0,
            ),
        )
        results = tuner.fit()
    sys.exit(bool(results.errors))


if __name__ == "__main__":
    main()
