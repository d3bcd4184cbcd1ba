"""Time ``gan-sweep rank`` on 10,000 trials of 16 reports: ``python -m benchmarks.rank``."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.figures import Figure, conclude
from gan_core.config import TrialConfig
from sweeps.record.layout import LEDGER, create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.schema import connected
from sweeps.record.status import Status

TRIALS, REPORTS, ROUNDS = 10_000, 16, 5
MOST_S = 1.5
METRICS = ("d_loss", "g_loss", "images_per_s", "fid", "kid", "precision", "recall", "coverage", "modes")
TRIAL = (
    "INSERT INTO trials (trial_id, stage, number, is_baseline, params, config, status, score, best_step,"
    " step, final, started_at, ended_at, best_lineage)"
    " VALUES (?, 'search', ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, 0)"
)
REPORT = "INSERT INTO reports (trial_id, step, metrics, score, reported_at) VALUES (?, ?, ?, ?, ?)"


def figures(*, rounds: int = ROUNDS) -> list[Figure]:
    """Write a record of that size, and time whole processes."""
    taken_s = []
    with TemporaryDirectory() as results:
        folder = create_sweep_folder(Path(results), "large", exact=True)
        Ledger(folder, {"name": "large"}).close(Status.COMPLETED)
        with closing(connected(folder / LEDGER)) as connection, connection:
            _fill(connection, Random(0))  # noqa: S311 - no secret
        command = [sys.executable, "-c", "from sweeps.cli import main; main()", "rank", "large"]
        for _ in range(rounds):
            started = perf_counter()
            subprocess.run([*command, "--results", results], stdout=subprocess.DEVNULL, check=True)  # noqa: S603
            taken_s.append(perf_counter() - started)
    return [Figure.of(f"rank of {TRIALS:,} trials, s", taken_s, MOST_S)]


def main() -> None:
    """Measure, print the figure, and exit with 1 if it misses its target."""
    conclude(figures())


def _fill(connection: sqlite3.Connection, rng: Random) -> None:
    defaults = TrialConfig().model_dump()
    for number in range(TRIALS):
        trial_id = f"large-{number:04d}"
        params = {"lr": rng.random(), "beta1": rng.random(), "loss": rng.choice(["bce", "lsgan"])}
        scores = [{name: rng.uniform(1, 100) for name in METRICS} for _ in range(REPORTS)]
        best = min(range(REPORTS), key=lambda index: scores[index]["fid"])
        is_completed = number % 3 == 0
        row = (trial_id, number, number == 0, json.dumps(params), json.dumps(defaults | params))
        status = Status.COMPLETED if is_completed else Status.PRUNED
        final = json.dumps(scores[best]) if is_completed else None
        connection.execute(TRIAL, (*row, status, scores[best]["fid"], best, REPORTS, final))
        reports = [
            (trial_id, step, json.dumps(metrics), scores[best]["fid"], 0.0)
            for step, metrics in enumerate(scores)
        ]
        connection.executemany(REPORT, reports)


if __name__ == "__main__":
    main()
