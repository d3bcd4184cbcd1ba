"""Measure the cost of a sweep without its trainings: ``python -m benchmarks.overhead``.

Complete sweeps with trainings that return at once run in turn with Ray Tune as its documentation shows it
(``benchmarks.peers.ray_tune``), each in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, conclude
from benchmarks.instant import Cost

MOST_TRIAL_MS, LEAST_RATIO, LEAST_RESULTS_PER_S, MOST_MB = 80, 20, 300, 50
REPORTS_OF_LONG_TRIALS = 50


def cost(
    trials: int,
    reports: int,
    *,
    method: str = "tpe",
    stops_early: bool = True,
    waits: bool = True,
    address: str | None = None,
) -> Cost:
    """Run a sweep of instant trainings in another process, here or on a Ray cluster; return its cost."""
    with TemporaryDirectory() as results:
        sizes = ["--trials", str(trials), "--reports", str(reports), "--method", method]
        switches = [] if stops_early else ["--no-stops-early"]
        switches += [] if waits else ["--no-waits"]
        where = [] if address is None else ["--address", address]
        printed = _output("benchmarks.instant", results, *sizes, *switches, *where)
    return Cost(**json.loads(printed.splitlines()[-1]))


def ray_tune_s(trials: int) -> float:
    """Return the seconds per trial of Ray Tune, used as its documentation shows."""
    return float(_output("benchmarks.peers.ray_tune", "--trials", str(trials)).splitlines()[-1])


def _output(module: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - no user input
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"RAY_ADDRESS": "local"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def figures(*, rounds: int = 3, trials: int = 100, peers_trials: int = 20, many: int = 1000) -> list[Figure]:
    """Measure the overhead in each round, and once the throughput and memory on many trials."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(cost(trials, reports=3))
        theirs.append(ray_tune_s(peers_trials))
    n_long = many // REPORTS_OF_LONG_TRIALS
    long_ = cost(n_long, REPORTS_OF_LONG_TRIALS, method="random", stops_early=False, waits=False)
    growing = cost(2 * many, reports=1, method="random", waits=False)
    trial = Figure.of("overhead per trial, ms", [each.trial_ms for each in ours], MOST_TRIAL_MS)
    ratios = [peer / each.fit_s for each, peer in zip(ours, theirs, strict=True)]
    ratio = Figure.of("Ray Tune's time per trial over ours", ratios, LEAST_RATIO, is_at_most=False)
    peer = Figure.of("Ray Tune's time per trial, s", theirs)
    cpu = Figure.of("the driver's CPU time per trial, ms", [each.cpu_ms for each in ours])
    later = Figure.of("MLflow's time after the last trial, s", [each.mlflow_s for each in ours])
    results = Figure(
        f"results per second, {REPORTS_OF_LONG_TRIALS} per trial",
        long_.results_per_s,
        asked=LEAST_RESULTS_PER_S,
        is_at_most=False,
    )
    memory = Figure("driver's memory per 1,000 trials, MB", 1000 * growing.memory_mb / many, asked=MOST_MB)
    return [trial, ratio, peer, cpu, later, results, memory]


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--trials", type=int, default=100, help="trials of a sweep (100)")
    parser.add_argument("--peers-trials", type=int, default=20, help="trials of Ray Tune (20)")
    parser.add_argument(
        "--many", type=int, default=1000, help="results, and half the trials for memory (1000)"
    )
    asked = parser.parse_args()
    conclude(
        figures(rounds=asked.rounds, trials=asked.trials, peers_trials=asked.peers_trials, many=asked.many)
    )


if __name__ == "__main__":
    main()
