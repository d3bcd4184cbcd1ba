"""Describe the recorded replicas: how far seeds vary, how often they collapse, and whether pairing helps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from scipy.stats import spearmanr

from benchmarks.replicas import TABLE
from benchmarks.verdict.fit import (
    LIKE_FINALISTS,
    distance_of_two_seeds,
    fit,
    like_finalists,
    log_scores,
    shares_of_defaults,
)
from sweeps.analysis.seed_noise import Array, collapse_probability

LEVELS = (0.0, 0.5, LIKE_FINALISTS, 0.999, 1.001, np.inf)
"""Ends of levels: fid as a share of that of the tutorial's defaults in the same world."""
PERMUTATIONS = 500


@dataclass(frozen=True)
class Bank:
    """The recorded replicas.

    Args:
        scores: The log of the final fid: a row per world and configuration, a column per seed.
    """

    scores: pd.DataFrame

    @classmethod
    def read(cls, file: Path = TABLE) -> "Bank":
        """Read a table of recorded replicas."""
        return cls(log_scores(file))

    @property
    def worlds(self) -> list[str]:
        """The names of the worlds."""
        return list(self.scores.index.get_level_values("world").unique())

    @property
    def deviations(self) -> pd.Series:
        """The deviation over seeds of each configuration."""
        return self.scores.std(axis=1, ddof=1)

    def by_level(self) -> pd.DataFrame:
        """Return the pooled deviation and the median distance of two seeds, by level."""
        groups = pd.cut(shares_of_defaults(self.scores), LEVELS)
        rows = {
            f"{level.left:g} to {level.right:g} times the defaults": self._of(self.scores[groups == level])
            for level in groups.cat.categories
            if (groups == level).any()
        }
        rows |= {world: self._of(self.scores.loc[[world]]) for world in self.worlds}
        return pd.DataFrame(rows | {"all": self._of(self.scores)}).T

    def _of(self, scores: pd.DataFrame) -> dict[str, float]:
        deviations = scores.std(axis=1, ddof=1)
        return {
            "configurations": len(scores),
            "replicas": int(scores.notna().sum().sum()),
            "pooled deviation": float(np.sqrt((deviations**2).mean())),
            "least": float(deviations.min()),
            "greatest": float(deviations.max()),
            "median distance of two seeds": distance_of_two_seeds(scores.to_numpy()),
        }

    def level_dependence(self) -> dict[str, float]:
        """Return, by world, the rank correlation between the level and the deviation of configurations."""
        means = self.scores.mean(axis=1)
        return {
            world: float(spearmanr(means[world], self.deviations[world]).statistic) for world in self.worlds
        }

    def collapses(self) -> tuple[int, int]:
        """Return how many replicas collapsed while others of their configuration did not, and the total."""
        values = self.scores.to_numpy()
        prior = fit(values)
        found = [collapse_probability(row[None], prior)[0] for row in values]
        return int((np.array(found) > 0.5).sum()), int((~np.isnan(values)).sum())

    def correlation_of_seeds(self) -> tuple[float, float]:
        """Return the correlation of scores of one seed within a world, and its 95 % limit without any.

        The variance of the difference of two configurations on the same seeds is smaller by this share than
        that on different seeds.
        """
        rng = np.random.default_rng(0)
        worlds = [pd.DataFrame(self.scores.loc[[world]]).dropna(axis=1).to_numpy() for world in self.worlds]
        ranked = [_standardised(world) for world in worlds]
        shuffled = [
            np.mean([_mean_correlation(rng.permuted(world, axis=1)) for world in ranked])
            for _ in range(PERMUTATIONS)
        ]
        found = float(np.mean([_mean_correlation(world) for world in ranked]))
        return found, float(np.quantile(np.abs(shuffled), 0.95))


def _standardised(world: Array) -> Array:
    centred = world - world.mean(axis=1, keepdims=True)
    found: Array = centred / centred.std(axis=1, keepdims=True)
    return found


def _mean_correlation(world: Array) -> float:
    """Return the mean correlation of two rows of standardised scores."""
    together = world @ world.T / world.shape[1]
    return float(together[np.triu_indices(len(together), 1)].mean())


def show(file: Path) -> None:
    """Print what the recorded replicas show."""
    bank = Bank.read(file)
    collapsed, tried = bank.collapses()
    correlation, limit = bank.correlation_of_seeds()
    console = Console(width=150)
    console.print(bank.by_level().to_string(float_format="{:.3f}".format))
    dependence = ", ".join(f"{world} {value:.2f}" for world, value in bank.level_dependence().items())
    console.print(f"Rank correlation of level and deviation: {dependence}")
    console.print(f"{collapsed} of {tried} replicas collapsed while others of their configuration did not")
    console.print(
        f"Correlation of scores on one seed: {correlation:.3f}; without any, 95 % are below {limit:.3f}"
    )
    fits = {"all": bank.scores, "like finalists": like_finalists(bank.scores)}
    for name, scores in fits.items():
        found = fit(scores.to_numpy())
        console.print(f"Fit to {name}: median deviation {np.exp(found.m):.3f}, {found}")
