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

from benchmarks.recordings import FOLDER, KEYS
from benchmarks.worlds import REPLICATED, WORLDS
from gan_core import Evaluator, ImageDataset, TrainingDiverged, TrialConfig, load_dataset, train
from gan_core.precision import has_fast_bf16

TABLE = FOLDER / "replicas.parquet"
CONFIGURATIONS = 10
SEEDS = 10
DATA_HELP = "a folder with the images of cifar10, if they are not to be downloaded"
METRICS = ["fid", "kid", "precision", "recall", "coverage", "modes"]
FINAL = ["fid", "kid"]


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
def loaded(dataset: str, image_size: int | None, folder: Path | None) -> tuple[ImageDataset, Evaluator]:
    """Return a dataset and its evaluator; the images come from ``folder`` if the world has an image size."""
    if folder is None or image_size is None:
        data = load_dataset(dataset)
    else:
        data = load_dataset(f"folder:{folder.resolve()}", image_size=image_size)
    return data, Evaluator(data)


def record(replica: Replica, folder: Path | None = None) -> list[dict[str, Any]]:
    """Train a replica and return its rows of the table, one per report.

    A training that diverged before its first report has one row, of step 0, without scores.
    """
    world = WORLDS[replica.world]
    data, evaluator = loaded(world.dataset, world.image_size, folder)
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
        "dataset": world.dataset,
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
    return set(frame[KEYS].itertuples(index=False, name=None)) if len(frame) else set()


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
    parser.add_argument(
        "--worlds", nargs="+", choices=WORLDS, default=list(REPLICATED), help="worlds to record"
    )
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS, help="of each world (10)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each configuration (10)")
    parser.add_argument("--data", type=Path, metavar="DIR", help=DATA_HELP)
    parser.add_argument("--output", type=Path, default=TABLE, help="the table to add to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    replicas = plan(arguments.worlds, arguments.configurations, arguments.seeds)
    waiting = list(missing(arguments.output, replicas))
    console = Console()
    frame = pd.read_parquet(arguments.output) if arguments.output.exists() else pd.DataFrame()
    for n, replica in enumerate(waiting, 1):
        frame = pd.concat([frame, table(record(replica, arguments.data))], ignore_index=True)
        save(frame, arguments.output)
        console.print(f"{n} of {len(waiting)}: {replica.world} {replica.configuration}, seed {replica.seed}")


if __name__ == "__main__":
    main()
