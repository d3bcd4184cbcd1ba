"""What a sweep costs beside its trainings: ``python -m benchmarks.overhead``.

Sweeps whose trainings return at once, with all else that a sweep does, each in a process of its own, in turns
with Ray Tune as its documentation has it (``benchmarks.peers.ray_tune``).
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
    """Return what a sweep of instant trainings took, in a process of its own, here or on a Ray cluster."""
    with TemporaryDirectory() as results:
        sizes = ["--trials", str(trials), "--reports", str(reports), "--method", method]
        switches = [] if stops_early else ["--no-stops-early"]
        switches += [] if waits else ["--no-waits"]
        where = [] if address is None else ["--address", address]
        printed = _output("benchmarks.instant", results, *sizes, *switches, *where)
    return Cost(**json.loads(printed.splitlines()[-1]))


def ray_tune_s(trials: int) -> float:
    """Return the seconds a trial that Ray Tune takes as its documentation has it."""
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
    """Measure the overhead in so many rounds, and throughput and memory on many trials once."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(cost(trials, reports=3))
        theirs.append(ray_tune_s(peers_trials))
    n_long = many // REPORTS_OF_LONG_TRIALS
    long_ = cost(n_long, REPORTS_OF_LONG_TRIALS, method="random", stops_early=False, waits=False)
    growing = cost(2 * many, reports=1, method="random", waits=False)
    trial = Figure.of("overhead a trial, ms", [each.trial_ms for each in ours], MOST_TRIAL_MS)
    ratios = [peer / each.fit_s for each, peer in zip(ours, theirs, strict=True)]
    ratio = Figure.of("Ray Tune's time a trial over ours", ratios, LEAST_RATIO, is_at_most=False)
    peer = Figure.of("Ray Tune's time a trial, s", theirs)
    cpu = Figure.of("the driver's CPU a trial, ms", [each.cpu_ms for each in ours])
    later = Figure.of("MLflow's time after the last trial, s", [each.mlflow_s for each in ours])
    results = Figure(
        f"results a second, {REPORTS_OF_LONG_TRIALS} a trial",
        long_.results_per_s,
        asked=LEAST_RESULTS_PER_S,
        is_at_most=False,
    )
    memory = Figure("driver's memory a 1,000 trials, MB", 1000 * growing.memory_mb / many, asked=MOST_MB)
    return [trial, ratio, peer, cpu, later, results, memory]


def main() -> None:
    """Measure what the command line asks for; exit with 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="(3)")
    parser.add_argument("--trials", type=int, default=100, help="of a sweep (100)")
    parser.add_argument("--peers-trials", type=int, default=20, help="of Ray Tune's (20)")
    parser.add_argument("--many", type=int, default=1000, help="results, and trials that grow memory (1000)")
    asked = parser.parse_args()
    conclude(
        figures(rounds=asked.rounds, trials=asked.trials, peers_trials=asked.peers_trials, many=asked.many)
    )


if __name__ == "__main__":
    main()
