"""Run sweeps with trainings that return at once: what remains is the time of the sweep itself.

``python -m benchmarks.instant RESULTS`` runs one sweep in a process of its own and prints its cost as JSON.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import psutil
import torch

import sweeps
from gan_core import Report, TrialConfig
from sweeps.cluster.trainable import GanTrainable
from sweeps.driver import session
from sweeps.driver.recorder import Recorder
from sweeps.record.reading import read_ledger
from sweeps.tracking.tracker import Tracker

SPEC = Path(__file__).parents[1] / "search_spaces" / "lsgan.yaml"
SCORES = ("fid", "kid", "precision", "recall", "coverage", "modes", "class_kl")


class InstantTrainable(GanTrainable):
    """A trial that does everything except training."""

    def _train(self, start: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - the trainable's
        if isinstance(self._config, TrialConfig):
            self._reports = instant_reports(self._config)


def instant_reports(config: TrialConfig) -> Iterator[Report]:
    """Yield reports without training; a lower learning rate gives a better score."""
    samples, weights = torch.zeros(64, 1, 28, 28, dtype=torch.uint8), {"layer": torch.zeros(1000, 1000)}
    for step in range(config.report_every, config.steps + 1, config.report_every):
        metrics = dict.fromkeys(("d_loss", "g_loss", "images_per_s", *SCORES), 1e6 * config.lr / step)
        is_last = step == config.steps
        yield Report(
            step=step,
            metrics=metrics,
            samples=samples,
            flags={},
            best_step=step,
            final=metrics if is_last else None,
            weights=weights if is_last else None,
        )


@dataclass(frozen=True)
class Cost:
    """The cost of a sweep of instant trainings.

    Args:
        trial_ms: Milliseconds per trial, from the first trial's start to the last trial's end.
        fit_s: Seconds of Tune's loop per trial, without the start of Ray.
        cpu_ms: CPU milliseconds of this process per trial; MLflow's uploads run in another process.
        mlflow_s: Seconds from the last trial until MLflow has everything.
        results_per_s: Results per second that the driver handled.
        memory_mb: Megabytes by which the driver's memory grew in the second half of the trials.
    """

    trial_ms: float
    fit_s: float
    cpu_ms: float
    mlflow_s: float
    results_per_s: float
    memory_mb: float


def run(
    results: Path,
    trials: int,
    reports: int,
    *,
    method: str = "tpe",
    stops_early: bool = True,
    waits: bool = True,
    address: str | None = None,
) -> Cost:
    """Run a complete sweep with instant trainings, and return its cost.

    Args:
        results: The folder of the sweep.
        trials: The number of trials.
        reports: The number of reports per trial.
        method: How the search chooses trials.
        stops_early: Whether ASHA stops trials early.
        waits: Whether to wait at the end for MLflow, which is slower than such trials.
        address: The Ray cluster; None for a local Ray.
    """
    overrides = {
        "method": method,
        "trials": trials,
        "parameters.steps": {"value": 10 * reports},
        "parameters.report_every": {"value": 10},
        "confirm": None,
        **({} if stops_early else {"early_terminate": {"type": "none"}}),
    }
    hurry = {} if waits else {"is_hurried": lambda: True}
    fit_s: list[float] = []
    mlflow_s: list[float] = []
    memory = _Memory(trials // 2)
    started = process_time()
    with (
        patch.object(session, "GanTrainable", InstantTrainable),
        patch.object(session.Session, "_tune", _timed(session.Session._tune, fit_s)),  # noqa: SLF001
        patch.object(Tracker, "close", _timed(Tracker.close, mlflow_s, **hurry)),
        patch.object(Recorder, "on_trial_complete", memory.measuring(Recorder.on_trial_complete)),
    ):
        sweep = sweeps.run(SPEC, overrides=overrides, results=results, address=address, quiet=True)
    rows = sweep.trials
    took_s = elapsed_s(sweep)
    return Cost(
        1000 * took_s / len(rows),
        fit_s[0] / len(rows),
        1000 * (process_time() - started) / len(rows),
        mlflow_s[0],
        len(sweep.history) / took_s,
        memory.growth_mb,
    )


def _timed(method: Any, took_s: list[float], **changes: Any) -> Any:  # noqa: ANN401 - any method
    """Return a method that appends its seconds to ``took_s``, with some of its options changed."""

    def timed(*arguments: Any, **options: Any) -> None:  # noqa: ANN401
        started = perf_counter()
        method(*arguments, **options | changes)
        took_s.append(perf_counter() - started)

    return timed


def elapsed_s(sweep: sweeps.Sweep) -> float:
    """Return the seconds from the first trial's start to the last trial's end."""
    rows = read_ledger(sweep.name, sweep.folder.parent).trials
    return float(max(row["ended_at"] for row in rows) - min(row["started_at"] for row in rows))


class _Memory:
    """Measures by how much this process's memory grows from the ``first`` trials to the last trial."""

    def __init__(self, first: int) -> None:
        self._first, self._ended, self._at_first, self._now = first, 0, 0, 0

    @property
    def growth_mb(self) -> float:
        return (self._now - self._at_first) / 2**20

    def measuring(self, method: Any) -> Any:  # noqa: ANN401 - a callback's method
        def measured(*arguments: Any, **options: Any) -> None:  # noqa: ANN401
            method(*arguments, **options)
            self._ended += 1
            self._now = psutil.Process().memory_info().rss
            if self._ended == self._first:
                self._at_first = self._now

        return measured


def main() -> None:
    """Run one sweep, and print its cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--reports", type=int, default=3)
    parser.add_argument("--method", default="tpe")
    parser.add_argument("--stops-early", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--waits", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--address")
    asked = vars(parser.parse_args())
    cost = run(**asked)
    print(json.dumps(asdict(cost)))  # noqa: T201 - read by benchmarks.overhead


if __name__ == "__main__":
    main()
