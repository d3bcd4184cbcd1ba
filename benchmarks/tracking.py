"""Measure the cost of MLflow for a sweep: ``python -m benchmarks.tracking``.

The benchmark measures the ratio of elapsed times of whole sweeps with and without tracking; the time of a
report in Tune's loop, compared with Ray's ``MLflowLoggerCallback`` on the same results; and how far MLflow
falls behind at a given rate of reports.
"""

import argparse
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.result import TRAINING_ITERATION
from rich.console import Console

import sweeps
from benchmarks.figures import Figure, conclude
from gan_core import TrialConfig, load_dataset
from gan_core.images import png_grid
from sweeps.driver import session
from sweeps.driver.progress import Display, Terminal
from sweeps.driver.recorder import Recorder
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.locks import running_lock
from sweeps.record.past import Past
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.reading import load_spec
from sweeps.tracking.follow import POLL_S
from sweeps.tracking.store import Store
from sweeps.tracking.tracker import Tracker

SPEC = Path(__file__).parents[1] / "search_spaces" / "lsgan.yaml"
SAME_WORK = {"method": "random", "early_terminate": {"type": "none"}, "confirm": None}
"""So that every sweep trains the same configurations for the same steps."""

METRICS = tuple(f"score_{number}" for number in range(9))
MOST_RATIO, LEAST_RATIO, MOST_GROWTH = 1.02, 10, 1.1


class Untracked:
    """A tracker that uploads nothing."""

    failure = None

    def __init__(self, *_arguments: object) -> None:
        pass

    def close(self, **_options: object) -> None:
        """Do nothing."""


def run_sweep(results: Path, n_trials: int, steps: int, *, is_tracked: bool) -> None:
    """Run a sweep of real trainings."""
    overrides = SAME_WORK | {"trials": n_trials, "parameters.steps": {"value": steps}}
    with patch.object(session, "Tracker", Tracker if is_tracked else Untracked):
        sweeps.run(SPEC, overrides=overrides, results=results)


def elapsed_s(n_trials: int, steps: int, *, is_tracked: bool) -> float:
    """Return the seconds of such a sweep, in a process of its own, from its command to its end."""
    with TemporaryDirectory() as results:
        tracked = ["--tracked"] if is_tracked else []
        sizes = ["--trials", str(n_trials), "--steps", str(steps)]
        command = [sys.executable, "-m", "benchmarks.tracking", "--sweep", results, *sizes, *tracked]
        started = perf_counter()
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        return perf_counter() - started


def elapsed_ratios(rounds: int, n_trials: int, steps: int) -> list[float]:
    """Return the ratio of the elapsed times with and without tracking in each round."""
    ratios = []
    for number in range(rounds):
        turns = (True, False) if number % 2 else (False, True)
        took_s = {is_tracked: elapsed_s(n_trials, steps, is_tracked=is_tracked) for is_tracked in turns}
        ratios.append(took_s[True] / took_s[False])
    return ratios


def metrics_of(step: int) -> dict[str, float]:
    """Return the ten metrics of a report."""
    rng = random.Random(step)  # noqa: S311 - no secret
    return {"fid": 1000 / step, **{name: rng.random() for name in METRICS}}


def trial(number: int) -> Trial:
    """Return a trial of the benchmark's sweep."""
    config = TrialConfig(seed=number).model_dump()
    return Trial(f"lsgan-{number:04d}", number, {"lr": config["lr"]}, config, number == 0)


@contextmanager
def recording(results: Path) -> Iterator[Ledger]:
    """Begin a sweep's record, and upload it to MLflow until the record is closed."""
    spec = load_spec(SPEC)
    ledger = Ledger(create_sweep_folder(results, spec.name, exact=True), spec.model_dump(mode="json"))
    ledger.describe({"floors": {"fid": 7.1}, "extractor": "sha256:0"})
    with running_lock(ledger.folder):
        tracker = Tracker(ledger.folder, Store.beside(results), Console(stderr=True).print)
        yield ledger
        ledger.close(Status.COMPLETED)
    tracker.close()


@dataclass(eq=False)
class TuneTrial:
    """The part of Tune's trials that a callback reads."""

    trial_id: str
    config: dict[str, Any]

    @classmethod
    def of(cls, number: int) -> "TuneTrial":
        """Return the trial with this number."""
        its = trial(number)
        described = {field.name: getattr(its, field.name) for field in fields(its)}
        return cls(its.trial_id, described | {"taken_over": None})


def callback_times_s(n_trials: int, n_reports: int) -> tuple[list[float], list[float]]:
    """Return the seconds of a report in Tune's loop: with this project's callback, and with Ray's.

    Both callbacks get the same results in turn. This project's records each report and its sample grid, and
    another process uploads them to MLflow. Ray's sends the metrics to MLflow. Both stores are SQLite
    databases.
    """
    ours, rays = [], []
    grid = png_grid(load_dataset("mnist-5k").held_out[:64])
    with TemporaryDirectory() as elsewhere, TemporaryDirectory() as results:
        logger = MLflowLoggerCallback(f"sqlite:///{elsewhere}/mlflow.db", experiment_name="lsgan")
        logger.setup()
        with recorder_in(Path(results), n_trials) as recorder:
            trials = [TuneTrial.of(number) for number in range(n_trials)]
            for each in trials:
                recorder.on_trial_start(each)
                logger.log_trial_start(each)
            for step, each in product(range(1, n_reports + 1), trials):
                metrics = metrics_of(step)
                rays.append(
                    seconds_of(logger.log_trial_result, step, each, {**metrics, TRAINING_ITERATION: step})
                )
                ours.append(seconds_of(recorder.on_trial_result, each, result_of(each, step, metrics, grid)))
    return ours, rays


@contextmanager
def recorder_in(results: Path, n_trials: int) -> Iterator[Recorder]:
    """Yield the callback that a sweep gives to Tune, with a tracker running as in a sweep."""
    spec = load_spec(SPEC)
    nothing, terminal = Past([], {}), Terminal(Console(), is_quiet=True)
    no_searcher: Any = SimpleNamespace()
    with (
        recording(results) as ledger,
        Display(terminal, "lsgan", n_trials, spec.metric[0], nothing) as display,
    ):
        recorder = Recorder(ledger, display, no_searcher, spec, nothing)
        yield recorder
        recorder.close(Status.COMPLETED)


def result_of(each: TuneTrial, step: int, metrics: dict[str, float], grid: bytes) -> dict[str, Any]:
    """Return a result as this project's trainable returns it."""
    yardstick = {"floors": {"fid": 7.1}, "extractor": "sha256:0"}
    lineage: dict[str, Any] = {"donor": None, "donor_step": None, "place": {"host": "here"}, "mishaps": []}
    score = {"score": metrics["fid"], "flags": {}, "samples": grid}
    return {"config": each.config, "step": step, "metrics": metrics} | yardstick | lineage | score


def seconds_of(function: Callable[..., object], *arguments: object) -> float:
    """Return the seconds of a call."""
    started = perf_counter()
    function(*arguments)
    return perf_counter() - started


def lags_s(n_trials: int, reports_per_s: float, duration_s: float) -> list[float]:
    """Return by how many seconds of reports MLflow is behind the record, measured once a second."""
    lags: list[float] = []
    n_sent = 0
    with TemporaryDirectory() as results, recording(Path(results)) as ledger:
        for number in range(n_trials):
            ledger.start(trial(number))
        while count(results, "SELECT count(*) FROM params WHERE key = 'lr'") < n_trials:
            sleep(1)
        started = monotonic()
        while (now_s := monotonic() - started) < duration_s:
            for _ in range(int(reports_per_s * now_s) - n_sent):
                step, number = n_sent // n_trials + 1, n_sent % n_trials
                ledger.report(f"lsgan-{number:04d}", step, metrics_of(step), 1000 / step)
                n_sent += 1
            if now_s >= len(lags) + 1:
                n_mirrored = count(results, "SELECT count(*) FROM metrics WHERE key = 'fid'")
                lags.append((n_sent - n_mirrored) / reports_per_s)
            sleep(0.01)
    return lags


def count(results: str, query: str) -> int:
    """Return a count from the MLflow database; 0 before the database or its table exists."""
    try:
        with closing(sqlite3.connect(f"file:{results}/mlflow.db?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def figures(
    *, rounds: int = 3, trials: int = 16, steps: int = 2400, reports: int = 16, lag_s: float = 120
) -> list[Figure]:
    """Measure all three.

    Args:
        rounds: The rounds of sweeps with and without tracking.
        trials: The trials of each sweep.
        steps: The training steps of each trial.
        reports: The reports of each of 20 trials that both callbacks get.
        lag_s: The seconds for which reports are sent, to measure whether MLflow keeps up.
    """
    ours, rays = callback_times_s(n_trials=20, n_reports=reports)
    lags = lags_s(n_trials=1000, reports_per_s=300, duration_s=lag_s)
    third, last = len(lags) // 4 * 3, lags[len(lags) // 4 * 3 :]
    growth = median(last) / max(median(lags[third // 2 : third]), POLL_S)
    ratios = elapsed_ratios(rounds, trials, steps)
    return [
        Figure(
            "a report in Tune's loop: Ray's MLflowLoggerCallback over ours",
            median(rays) / median(ours),
            asked=LEAST_RATIO,
            is_at_most=False,
            peers={"ours, ms": 1000 * median(ours), "Ray's, ms": 1000 * median(rays)},
        ),
        Figure(
            "MLflow's lag at 300 reports per second: last quarter over the time before",
            growth,
            asked=MOST_GROWTH,
        ),
        Figure.of("a sweep's elapsed time with MLflow over without", ratios, MOST_RATIO),
    ]


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--sweep", type=Path, metavar="RESULTS", help=argparse.SUPPRESS)
    parser.add_argument("--tracked", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sweep:
        run_sweep(asked.sweep, asked.trials, asked.steps, is_tracked=asked.tracked)
        return
    conclude(figures(rounds=asked.rounds, trials=asked.trials, steps=asked.steps))


if __name__ == "__main__":
    main()
