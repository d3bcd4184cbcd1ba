"""Record the trials that other benchmarks replay: ``python -m benchmarks.record short|long``.

A scrambled Sobol sequence spreads configurations over the MLP's space. The project's own trainer trains each
of them and records the fid of its 16 reports, one row per report. ``short``, for ``benchmarks.search``, has
200 trials of 2,000 steps of 64 digits. ``long`` has 64 trials of the loss ``lsgan``, of 4,000 steps of 128
digits. A ``.jsonl`` file beside the output holds the finished trials, from which a stopped recording resumes.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from scipy.stats import qmc

from gan_core import Evaluator, ImageDataset, TrainingDiverged, TrialConfig, load_dataset, train
from gan_core.precision import has_fast_bf16
from sweeps.spec.domains import AnyDomain, Choice, IntUniform, LogUniform, Scalar, Uniform

DATASET = "mnist-5k"
SOBOL_POWER = 8
SOBOL_SEED = 0

SPACE: dict[str, AnyDomain] = {
    "loss": Choice(values=["bce", "lsgan"]),
    "noise_dim": IntUniform(min=16, max=256),
    "lr": LogUniform(distribution="log_uniform_values", min=1e-5, max=1e-2),
    "beta1": Uniform(min=0.0, max=0.9),
    "leaky_slope": Uniform(min=0.0, max=0.4),
}
"""The search space of the recorded trials."""

SHARED: dict[str, Scalar] = {"architecture": "mlp", "eval_samples": 2000, "final_samples": 128}
"""The fixed parameters of every recorded trial; the final score is not used, so it is as small as allowed."""

REPORTS = 16


@dataclass(frozen=True)
class Design:
    """The trials of a recording.

    Args:
        output: The file to write the trials into.
        n: The number of trials.
        steps: The training steps of each trial.
        batch_size: The images of each step.
        losses: The losses to choose from.
    """

    output: Path
    n: int
    steps: int
    batch_size: int
    losses: tuple[Scalar, ...] = ("bce", "lsgan")

    @property
    def report_every(self) -> int:
        """Steps from one report to the next."""
        return self.steps // REPORTS

    @property
    def fixed(self) -> dict[str, Scalar]:
        """The parameters that all trials share."""
        sizes = {"batch_size": self.batch_size, "steps": self.steps, "report_every": self.report_every}
        return SHARED | sizes

    @property
    def space(self) -> dict[str, AnyDomain]:
        """The parameters that differ between trials."""
        return SPACE | {"loss": Choice(values=list(self.losses))}


SHORT = Design(Path(__file__).with_name("recorded_trials.parquet"), 200, steps=2000, batch_size=64)
LONG = Design(
    Path(__file__).with_name("recorded_lsgan.parquet"), 64, steps=4000, batch_size=128, losses=("lsgan",)
)


@dataclass(frozen=True)
class Job:
    """One training to record: the number of its configuration, which is its seed too, and its parameters."""

    number: int
    params: dict[str, Scalar]

    def config(self) -> TrialConfig:
        """Return the configuration to train."""
        return TrialConfig.model_validate({**self.params, "seed": self.number})


@dataclass
class Outcome:
    """The reports of one training, as steps and fids, and the step at which it diverged, if it did."""

    number: int
    config: dict[str, Any]
    reports: list[tuple[int, float]] = field(default_factory=list)
    diverged_at: int | None = None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row per report; a trial that diverged before its first report has one row without a fid."""
        names = [*SPACE, "batch_size", "steps", "report_every", "eval_samples", "seed"]
        shared = {name: self.config[name] for name in names}
        for step, fid in self.reports or [(0, float("nan"))]:
            yield {
                "number": self.number,
                "step": step,
                "fid": fid,
                "diverged": self.diverged_at is not None,
                **shared,
            }


def plan(design: Design, n: int | None = None) -> list[Job]:
    """Return the first configurations of the sequence, 256 at most."""
    points = qmc.Sobol(len(SPACE), scramble=True, rng=SOBOL_SEED).random_base2(SOBOL_POWER)
    domains = list(design.space.items())
    return [
        Job(
            number,
            design.fixed
            | {name: value_at(domain, u) for (name, domain), u in zip(domains, row, strict=True)},
        )
        for number, row in enumerate(points[: n or design.n].tolist())
    ]


def value_at(domain: AnyDomain, u: float) -> Scalar:
    """Return the value of a domain at the quantile ``u`` in [0, 1)."""
    if isinstance(domain, Choice):
        return domain.values[int(u * len(domain.values))]
    if isinstance(domain, IntUniform):
        return domain.min + int(u * (domain.max - domain.min + 1))
    if isinstance(domain, LogUniform):
        return float(domain.min * (domain.max / domain.min) ** u)
    if isinstance(domain, Uniform):
        return float(domain.min + u * (domain.max - domain.min))
    raise TypeError(f"{type(domain).__name__} is not sampled")


class _Worker:
    """The data and the evaluator of a process, loaded once."""

    data: ImageDataset
    evaluator: Evaluator

    @classmethod
    def start(cls) -> None:
        """Set the process up like a Ray worker with one core."""
        torch.set_num_threads(1)
        cls.data = load_dataset(DATASET)
        cls.evaluator = Evaluator(cls.data)

    @classmethod
    def record(cls, job: Job) -> Outcome:
        """Train one configuration."""
        config = job.config()
        outcome = Outcome(job.number, config.model_dump())
        try:
            for report in train(config, cls.data, cls.evaluator):
                outcome.reports.append((report.step, report.metrics["fid"]))
        except TrainingDiverged as error:
            outcome.diverged_at = error.step
        return outcome


def recorded(working_file: Path, jobs: Sequence[Job]) -> dict[int, Outcome]:
    """Return the outcomes of the same jobs in an earlier recording, without lines that were cut short."""
    wanted = {job.number: job.config().model_dump() for job in jobs}
    found: dict[int, Outcome] = {}
    for line in working_file.read_text().splitlines() if working_file.exists() else []:
        try:
            outcome = Outcome(**json.loads(line))
        except ValueError:
            continue
        if outcome.config == wanted.get(outcome.number):
            found[outcome.number] = outcome
    return found


def record(jobs: Sequence[Job], workers: int, working_file: Path) -> list[Outcome]:
    """Train the jobs without an outcome, ``workers`` at a time, and return the outcomes of all jobs."""
    done = recorded(working_file, jobs)
    waiting = [job for job in jobs if job.number not in done]
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), refresh_per_second=1) as progress,
        working_file.open("a") as lines,
        get_context("spawn").Pool(workers, _Worker.start) as pool,
    ):
        task = progress.add_task("Trials", total=len(jobs), completed=len(done))
        for outcome in pool.imap_unordered(_Worker.record, waiting):
            done[outcome.number] = outcome
            lines.write(f"{json.dumps(vars(outcome))}\n")
            lines.flush()
            progress.advance(task)
    return [done[job.number] for job in jobs]


def write(outcomes: Sequence[Outcome], output: Path) -> None:
    """Write all reports into one parquet file, with the dataset, precision and torch version as metadata."""
    frame = pd.DataFrame(row for outcome in outcomes for row in outcome.rows())
    frame["fid"] = frame["fid"].astype("float32")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    facts = {
        "dataset": DATASET,
        "architecture": str(SHARED["architecture"]),
        "precision": "bf16" if has_fast_bf16(torch.device("cpu")) else "fp32",
        "torch": torch.__version__,
    }
    pq.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | facts), output)


def main() -> None:
    """Record the trials of a design."""
    designs = {"short": SHORT, "long": LONG}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("design", choices=designs)
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time (2)")
    parser.add_argument("--configurations", type=int, help="number of configurations (200, 64)")
    parser.add_argument("--output", type=Path, help="the parquet file (the one that the benchmarks read)")
    arguments = parser.parse_args()
    design = designs[arguments.design]
    output = arguments.output or design.output
    working_file = output.with_suffix(".jsonl")
    outcomes = record(plan(design, arguments.configurations), arguments.workers, working_file)
    write(outcomes, output)
    working_file.unlink()


if __name__ == "__main__":
    main()
