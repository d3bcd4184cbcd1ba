"""Choose the configurations of ``points: portfolio`` from recordings: ``python -m benchmarks.portfolio``.

A configuration is recorded in few worlds. In each world, a smooth model of the recorded ranks therefore
estimates the rank of any configuration: the share of the world's configurations that are better. The
portfolio is a greedy cover: each added configuration is the one that most lowers the best rank of the
portfolio, averaged over worlds. The command writes the portfolio, and shows for each dataset how well a
portfolio chosen on all other datasets does there. If only one dataset is recorded, the command leaves out one
world at a time instead, which says little, because the worlds of one dataset are alike.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.recordings import FOLDER
from sweeps.spec.portfolio import FILE

TABLES = tuple(FOLDER / name for name in ("trials.parquet", "replicas.parquet", "cifar10.parquet"))
SIZE = 5
WIDTH = 0.35
"""The width of the kernel of the model, in units of a parameter's recorded range."""
NOISE = 0.3
"""The variance of the noise of a rank, in units of that of the model's function.

Of several values of both constants, these predicted the ranks of the two large tables best, by leave-one-out.
"""

WORLD = ("dataset", "architecture", "loss", "steps")
CONFIGURATION = ("noise_dim", "lr", "beta1", "beta2", "leaky_slope")

SCALES: dict[str, Callable[[float], float]] = {
    "noise_dim": log,
    "lr": log,
    "beta1": float,
    "leaky_slope": float,
}
"""The parameters of the portfolio, each with the scale on which configurations are compared."""
DIGITS = 2
"""Significant digits of a portfolio's real numbers."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """The configurations of one world.

    Args:
        name: Table, networks, loss and budget: scores of one world are comparable.
        dataset: The dataset.
        points: ``(N, P)``, the parameters on their scales.
        ranks: ``(N,)``, the share of the world's configurations that is better; 0 is the best.
    """

    name: str
    dataset: str
    points: Array
    ranks: Array

    def predicted(self, points: Array, span: Array) -> Array:
        """Return the ranks ``(M,)`` of points ``(M, P)``: the mean of a Gaussian process, 0.5 far away."""
        noisy = _kernel(self.points, self.points, span) + NOISE * np.eye(len(self.points))
        weights = np.linalg.solve(noisy, self.ranks - 0.5)
        return np.asarray(0.5 + _kernel(points, self.points, span) @ weights)


def _kernel(points: Array, others: Array, span: Array) -> Array:
    """Return the Gaussian kernel ``(M, N)`` between points."""
    distances = ((points[:, None] - others) / (WIDTH * span)) ** 2
    return np.asarray(np.exp(-distances.sum(axis=2) / 2))


def worlds_of(tables: Iterable[Path]) -> list[World]:
    """Return the worlds of recorded tables; a training that several tables hold counts once."""
    table = pd.concat([pd.read_parquet(file) for file in tables], ignore_index=True)
    table = table.drop_duplicates([*WORLD, *CONFIGURATION, "seed", "step"])
    return [_world(rows) for _, rows in table.groupby([*WORLD])]


def _world(rows: pd.DataFrame) -> World:
    """Return the world of some rows; a configuration ranks by its mean over seeds of the least log fid."""
    of_training = rows.groupby([*CONFIGURATION, "seed"])
    least, diverged = of_training["fid"].min().map(log), of_training["diverged"].any()
    scores = least.mask(diverged, least.max() + 1).groupby([*CONFIGURATION]).mean()
    ranks = scores.rank().to_numpy() - 1
    dataset, architecture, loss, steps = (rows[name].iloc[0] for name in WORLD)
    name = f"{dataset}, {architecture}, {loss}, {steps} steps"
    return World(name, dataset, on_scales(scores.index.to_frame()), ranks / max(len(ranks) - 1, 1))


def on_scales(configurations: pd.DataFrame) -> Array:
    """Return the parameters of configurations on their scales, ``(N, P)``."""
    columns = [configurations[name].map(scale) for name, scale in SCALES.items()]
    return np.stack([column.to_numpy(dtype=float) for column in columns], axis=1)


def cover(worlds: Sequence[World], size: int = SIZE) -> Array:
    """Return the points ``(size, P)`` of the greedy cover of some worlds, the best one first."""
    candidates = np.concatenate([world.points for world in worlds])
    predicted = np.stack([world.predicted(candidates, _span(worlds)) for world in worlds])
    best = np.ones(len(worlds))
    chosen: list[int] = []
    for _ in range(size):
        merged = np.minimum(predicted, best[:, None])
        chosen.append(int(merged.mean(axis=0).argmin()))
        best = merged[:, chosen[-1]]
    return np.asarray(candidates[chosen])


def _span(worlds: Sequence[World]) -> Array:
    """Return the recorded range of each parameter, 1 for a parameter with one value."""
    points = np.concatenate([world.points for world in worlds])
    span = np.ptp(points, axis=0)
    return np.where(span > 0, span, 1.0)


def left_out(worlds: Sequence[World]) -> pd.DataFrame:
    """Return how well a portfolio chosen without a dataset (or a world, of a single dataset) does on it."""
    datasets = {world.dataset for world in worlds}
    groups = {world.name: world.dataset if len(datasets) > 1 else world.name for world in worlds}
    rows = []
    for world in worlds:
        others = [other for other in worlds if groups[other.name] != groups[world.name]]
        ranks = world.predicted(cover(others), _span(worlds))
        at_random = world.predicted(world.points, _span(worlds))
        draws = np.random.default_rng(0).choice(at_random, (1000, SIZE))
        rows.append(
            {
                "left out": groups[world.name],
                "world": world.name,
                "first": ranks[0],
                "best of portfolio": ranks.min(),
                "best of as many at random": draws.min(axis=1).mean(),
            }
        )
    return pd.DataFrame(rows)


def as_configuration(point: Array) -> dict[str, float | int]:
    """Return a point as rounded hyperparameters."""
    values = {
        name: float(np.exp(x) if scale is log else x)
        for (name, scale), x in zip(SCALES.items(), point, strict=True)
    }
    rounded = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
    return rounded | {"noise_dim": round(values["noise_dim"])}


def main() -> None:
    """Write the portfolio, and print how well portfolios do on worlds that they were not chosen on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--tables", type=Path, nargs="*", help="recorded tables, by default the committed ones"
    )
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args()
    worlds = worlds_of(options.tables or [file for file in TABLES if file.exists()])
    content = {
        "made by": "python -m benchmarks.portfolio",
        "worlds": {world.name: f"{len(world.ranks)} configurations" for world in worlds},
        "configurations": [as_configuration(point) for point in cover(worlds)],
    }
    options.output.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
    Console(width=160).print(left_out(worlds).round(3).to_string(index=False), highlight=False)


if __name__ == "__main__":
    main()
