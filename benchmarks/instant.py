"""Sweeps whose trainings return at once, so that what they take is not the training's.

``python -m benchmarks.instant RESULTS`` runs one in a process of its own and prints what it took as JSON.
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
    """Does all that a trial does but training."""

    def _train(self, start: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - the trainable's
        self._reports = instant_reports(self._config)


def instant_reports(config: TrialConfig) -> Iterator[Report]:
    """Yield the reports of a training that costs nothing; a lower learning rate is better."""
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
    """What a sweep of instant trainings took.

    Args:
        trial_ms: Milliseconds a trial from the first one's start to the last one's end.
        fit_s: Seconds a trial that Tune's loop took, once Ray had started.
        cpu_ms: Milliseconds a trial of this process on the CPU; MLflow has one of its own.
        mlflow_s: Seconds after the last trial until MLflow had it all.
        results_per_s: Results that the driver took in a second.
        memory_mb: What the driver's memory grew by after the first half of the trials.
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
    """Run such a sweep with all that a sweep does, on the Ray cluster at ``address`` where one is given.

    MLflow, which such trials outrun, has it all at the end where that is waited for.
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
        patch.object(Recorder, "on_trial_complete", memory.noting(Recorder.on_trial_complete)),
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
    """Return a method that notes what it took, with some of its options changed."""

    def timed(*arguments: Any, **options: Any) -> None:  # noqa: ANN401
        started = perf_counter()
        method(*arguments, **options | changes)
        took_s.append(perf_counter() - started)

    return timed


def elapsed_s(sweep: sweeps.Sweep) -> float:
    """Return the seconds from the first trial's start to the last one's end."""
    rows = read_ledger(sweep.name, sweep.folder.parent).trials
    return float(max(row["ended_at"] for row in rows) - min(row["started_at"] for row in rows))


class _Memory:
    """Reads this process's memory after so many trials, and after the last."""

    def __init__(self, first: int) -> None:
        self._first, self._ended, self._at_first, self._now = first, 0, 0, 0

    @property
    def growth_mb(self) -> float:
        return (self._now - self._at_first) / 2**20

    def noting(self, method: Any) -> Any:  # noqa: ANN401 - a callback's method
        def noted(*arguments: Any, **options: Any) -> None:  # noqa: ANN401
            method(*arguments, **options)
            self._ended += 1
            self._now = psutil.Process().memory_info().rss
            if self._ended == self._first:
                self._at_first = self._now

        return noted


def main() -> None:
    """Run one, and print what it took."""
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
