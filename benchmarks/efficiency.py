"""Measure the share of a sweep's time that is training: ``python -m benchmarks.efficiency``.

A real sweep runs twice: with one trial per core at a time, and with one trial at a time, each trial on one
core. Random search without early stopping trains the same configurations for the same steps in both. For
comparison, the benchmark also measures the speed-up of parallel training without a sweep: processes that
train at the same time, against the same processes one after another.
"""

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

import sweeps
from benchmarks.figures import Figure, conclude
from benchmarks.instant import SPEC, elapsed_s
from benchmarks.step import process_of, seconds_of_a_step
from sweeps.cluster.trainable import GanTrainable
from sweeps.driver import session
from sweeps.driver.recorder import Recorder

LEAST_EFFICIENCY, LEAST_RATIO = 0.92, 1.85
TRAINED = "trained_s"


class TimedTrainable(GanTrainable):
    """Adds to each result the seconds that its training took, with scoring and writing."""

    def step(self) -> dict[str, Any]:
        """Train up to the next report."""
        started = perf_counter()
        result = super().step()
        return result | {TRAINED: perf_counter() - started}


def run(results: Path, trials: int, steps: int, at_once: int) -> dict[str, float]:
    """Run the sweep, and return its seconds and the seconds that its workers trained."""
    overrides = {
        "method": "random",
        "early_terminate": {"type": "none"},
        "confirm": None,
        "trials": trials,
        "parameters.steps": {"value": steps},
    }
    trained_s: list[float] = []
    record = Recorder.on_trial_result

    def timing(self: Recorder, trial: Any, result: dict[str, Any], **info: object) -> None:  # noqa: ANN401 - Tune's
        trained_s.append(result[TRAINED])
        record(self, trial, result, **info)

    with (
        patch.object(session, "GanTrainable", TimedTrainable),
        patch.object(session, "slots", lambda _resources: at_once),
        patch.object(Recorder, "on_trial_result", timing),
    ):
        sweep = sweeps.run(SPEC, overrides=overrides, results=results, quiet=True)
    return {"elapsed_s": elapsed_s(sweep), TRAINED: sum(trained_s)}


def measured(trials: int, steps: int, at_once: int) -> dict[str, float]:
    """Run the sweep in a process of its own."""
    with TemporaryDirectory() as results:
        sizes = ["--trials", str(trials), "--steps", str(steps), "--at-once", str(at_once)]
        command = [sys.executable, "-m", "benchmarks.efficiency", "--sweep", results, *sizes]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return dict(json.loads(done.stdout.splitlines()[-1]))


def machines_ratio(n_processes: int, *, rounds: int = 7, n_steps: int = 40) -> float:
    """Return the speed-up of training in parallel over one process after another, without a sweep."""
    alone: list[float] = []
    together: list[float] = []
    with ExitStack() as stack:
        processes = [stack.enter_context(process_of("mlp", "auto")) for _ in range(n_processes)]
        for each in processes:
            seconds_of_a_step(each, n_steps)
        for _ in range(rounds):
            alone += [seconds_of_a_step(each, n_steps) for each in processes]
            for each in processes:
                each.send(n_steps)
            together += [each.recv() for each in processes]
    return n_processes * median(alone) / median(together)


def figures(*, rounds: int = 2, trials: int = 8, steps: int = 2400) -> list[Figure]:
    """Run the sweep both ways in each round."""
    efficiencies, ratios, cores = [], [], os.cpu_count() or 1
    for number in range(rounds):
        turns = (cores, 1) if number % 2 else (1, cores)
        took = {at_once: measured(trials, steps, at_once) for at_once in turns}
        efficiencies.append(took[cores][TRAINED] / (cores * took[cores]["elapsed_s"]))
        ratios.append(took[1]["elapsed_s"] / took[cores]["elapsed_s"])
    at_once = Figure.of(f"{cores} trials at a time against one", ratios, LEAST_RATIO, is_at_most=False)
    return [
        Figure.of("efficiency of a sweep", efficiencies, LEAST_EFFICIENCY, is_at_most=False),
        replace(at_once, peers={"processes without a sweep": machines_ratio(cores)}),
    ]


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="rounds (2)")
    parser.add_argument("--trials", type=int, default=8, help="trials of each sweep (8)")
    parser.add_argument("--steps", type=int, default=2400, help="steps of each trial (2400)")
    parser.add_argument("--sweep", type=Path, metavar="RESULTS", help=argparse.SUPPRESS)
    parser.add_argument("--at-once", type=int, default=1, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sweep:
        print(json.dumps(run(asked.sweep, asked.trials, asked.steps, asked.at_once)))  # noqa: T201 - read above
        return
    conclude(figures(rounds=asked.rounds, trials=asked.trials, steps=asked.steps))


if __name__ == "__main__":
    main()
