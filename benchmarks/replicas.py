"""Record configurations over many training seeds: ``python -m benchmarks.replicas``.

The table is ``benchmarks/recorded/replicas.parquet``; the README beside it documents its columns. The
recorder trains one configuration with one seed at a time and writes the table after each training, so that a
stopped recording resumes from the table. All configurations get their first seed before any of them gets its
second one.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from scipy.stats import qmc

from benchmarks.record import value_at
from gan_core import Evaluator, ImageDataset, TrainingDiverged, TrialConfig, load_dataset, train
from gan_core.precision import has_fast_bf16
from sweeps.spec.domains import AnyDomain, Choice, IntUniform, LogUniform, Scalar, Uniform

TABLE = Path(__file__).with_name("recorded") / "replicas.parquet"
CONFIGURATIONS = 10
SEEDS = 10
METRICS = ["fid", "kid", "precision", "recall", "coverage", "modes"]
FINAL = ["fid", "kid"]

Params = dict[str, Scalar]


@dataclass(frozen=True)
class World:
    """A dataset, networks, a loss and a budget: scores of one world are comparable.

    Args:
        dataset: The dataset's name.
        fixed: The parameters that all configurations share.
        space: The parameters that differ between configurations.
        leading: Configurations that did well in earlier recordings.
    """

    dataset: str
    fixed: Params
    space: dict[str, AnyDomain]
    leading: tuple[Params, ...]

    def configurations(self, n: int) -> list[Params]:
        """Return the tutorial's defaults, the leading configurations, and a Sobol sequence over the space."""
        points = qmc.Sobol(len(self.space), scramble=True, rng=0).random(128).tolist()
        spread = [
            {name: value_at(domain, u) for (name, domain), u in zip(self.space.items(), point, strict=True)}
            for point in points
        ]
        return [self.fixed | params for params in [{}, *self.leading, *spread][:n]]


SHARED: Params = {"batch_size": 64, "eval_samples": 2000, "final_samples": 5000}
MLP: Params = SHARED | {"architecture": "mlp", "steps": 1600, "report_every": 200}
DCGAN: Params = SHARED | {"architecture": "dcgan", "steps": 160, "report_every": 20}
SPACE: dict[str, AnyDomain] = {
    "noise_dim": IntUniform(min=16, max=128),
    "lr": LogUniform(distribution="log_uniform_values", min=2e-4, max=4e-3),
    "beta1": Uniform(min=0.0, max=0.7),
    "beta2": Choice(values=[0.99, 0.999]),
    "leaky_slope": Uniform(min=0.0, max=0.3),
}

GOOD_DCGAN: tuple[Params, ...] = (
    {"noise_dim": 64, "lr": 1e-3, "beta1": 0.3, "leaky_slope": 0.1},
    {"noise_dim": 32, "lr": 6e-4, "beta1": 0.1, "leaky_slope": 0.2},
    {"noise_dim": 100, "lr": 1.5e-3, "beta1": 0.5, "leaky_slope": 0.05},
)

WORLDS = {
    "mlp-bce": World(
        "mnist-5k",
        MLP | {"loss": "bce"},
        SPACE,
        (
            {"noise_dim": 71, "lr": 7.5e-4, "beta1": 0.05, "leaky_slope": 0.06},
            {"noise_dim": 51, "lr": 1.6e-3, "beta1": 0.2, "leaky_slope": 0.3},
            {"noise_dim": 32, "lr": 1.2e-3, "beta1": 0.1, "leaky_slope": 0.1},
        ),
    ),
    "mlp-lsgan": World(
        "mnist-5k",
        MLP | {"loss": "lsgan"},
        SPACE,
        (
            {"noise_dim": 31, "lr": 8.9e-4, "beta1": 0.4, "leaky_slope": 0.13},
            {"noise_dim": 62, "lr": 1.26e-3, "beta1": 0.39, "leaky_slope": 0.3},
            {"noise_dim": 110, "lr": 8.2e-4, "beta1": 0.47, "leaky_slope": 0.21},
        ),
    ),
    "dcgan-bce": World(
        "mnist-5k",
        DCGAN | {"loss": "bce"},
        SPACE,
        GOOD_DCGAN,
    ),
    "dcgan-lsgan": World(
        "mnist-5k",
        DCGAN | {"loss": "lsgan"},
        SPACE,
        GOOD_DCGAN,
    ),
}


@dataclass(frozen=True)
class Replica:
    """One training to record: a configuration of a world, by its number, with a seed."""

    world: str
    configuration: int
    seed: int
    config: TrialConfig

    @property
    def key(self) -> tuple[str, int, int]:
        """What identifies the training in the table."""
        return self.world, self.configuration, self.seed


def plan(worlds: Sequence[str], n_configurations: int, n_seeds: int) -> list[Replica]:
    """Return the trainings to record, seed by seed, and for each seed the worlds in turns."""
    configurations = {world: WORLDS[world].configurations(n_configurations) for world in worlds}
    return [
        Replica(
            world, number, seed, TrialConfig.model_validate(configurations[world][number] | {"seed": seed})
        )
        for seed in range(n_seeds)
        for number in range(n_configurations)
        for world in worlds
    ]


@lru_cache
def _loaded(dataset: str) -> tuple[ImageDataset, Evaluator]:
    data = load_dataset(dataset)
    return data, Evaluator(data)


def record(replica: Replica) -> list[dict[str, Any]]:
    """Train a replica and return its rows of the table, one per report.

    A training that diverged before its first report has one row, of step 0, without scores.
    """
    data, evaluator = _loaded(WORLDS[replica.world].dataset)
    rows: list[dict[str, Any]] = []
    final: dict[str, float] = {}
    flags: dict[str, int] = {}
    has_diverged, start = False, process_time()
    try:
        for report in train(replica.config, data, evaluator):
            scores = {name: report.metrics[name] for name in METRICS}
            rows.append({"step": report.step, **scores, "cpu_seconds": process_time() - start})
            final, flags = report.final or {}, report.flags
    except TrainingDiverged:
        has_diverged = True
    shared = {
        "world": replica.world,
        "dataset": WORLDS[replica.world].dataset,
        "configuration": replica.configuration,
        **replica.config.model_dump(exclude_none=True, exclude={"precision"}),
        "arithmetic": "bf16" if has_fast_bf16(torch.device("cpu")) else "fp32",
        "torch": torch.__version__,
        "extractor": evaluator.extractor,
        "diverged": has_diverged,
        "flags": " ".join(sorted(flags)),
        **{f"final_{name}": final.get(name) for name in FINAL},
    }
    return [shared | row for row in rows or [{"step": 0}]]


def table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table, scores as 32-bit numbers."""
    frame = pd.DataFrame(list(rows))
    scores = [*METRICS, "cpu_seconds", *(f"final_{name}" for name in FINAL)]
    return frame.astype({name: "float32" for name in scores if name in frame})


def keys(frame: pd.DataFrame) -> set[tuple[str, int, int]]:
    """Return the trainings that a table has."""
    names = ["world", "configuration", "seed"]
    return set(frame[names].itertuples(index=False, name=None)) if len(frame) else set()


def save(frame: pd.DataFrame, file: Path) -> None:
    """Write a table in place of an earlier one: after a crash, the file is one of the two."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    frame.to_parquet(unfinished, compression="zstd", index=False)
    unfinished.replace(file)


def missing(file: Path, replicas: Sequence[Replica]) -> Iterator[Replica]:
    """Yield the trainings that a table does not have yet."""
    done = keys(pd.read_parquet(file)) if file.exists() else set()
    yield from (replica for replica in replicas if replica.key not in done)


def main() -> None:
    """Record the trainings that the table does not have yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS), help="worlds to record")
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS, help="of each world (10)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each configuration (10)")
    parser.add_argument("--output", type=Path, default=TABLE, help="the table to add to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    replicas = plan(arguments.worlds, arguments.configurations, arguments.seeds)
    waiting = list(missing(arguments.output, replicas))
    console = Console()
    frame = pd.read_parquet(arguments.output) if arguments.output.exists() else pd.DataFrame()
    for n, replica in enumerate(waiting, 1):
        frame = pd.concat([frame, table(record(replica))], ignore_index=True)
        save(frame, arguments.output)
        console.print(f"{n} of {len(waiting)}: {replica.world} {replica.configuration}, seed {replica.seed}")


if __name__ == "__main__":
    main()
