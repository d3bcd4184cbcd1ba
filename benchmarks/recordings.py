"""Load the recorded trainings of ``benchmarks/recorded``; the README there documents the columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FOLDER = Path(__file__).with_name("recorded")
KEYS = ["world", "configuration", "seed"]


@dataclass(frozen=True)
class Recording:
    """Recorded trainings of one or more worlds whose scores are comparable.

    Args:
        trainings: A row for each training: its world, configuration, seed and hyperparameters.
        curves: The log fid of each training at every report, ``(trainings, reports)``.
        least: The least recorded log fid.
    """

    trainings: pd.DataFrame
    curves: Floats
    least: float

    @property
    def n_diverged(self) -> int:
        """The number of trainings that diverged."""
        return int(self.trainings["diverged"].sum())

    def means(self) -> tuple[pd.DataFrame, Floats, list[Floats]]:
        """Return a row for each configuration, its mean curve over the seeds, and the curves of its seeds."""
        groups = self.trainings.groupby(["world", "configuration"], sort=True).indices
        members = [self.curves[rows] for rows in groups.values()]
        firsts = self.trainings.iloc[[rows[0] for rows in groups.values()]]
        return firsts, np.array([each.mean(axis=0) for each in members]), members


def read(worlds: Sequence[str], folder: Path = FOLDER) -> pd.DataFrame:
    """Return the rows of all recorded trainings of some worlds, from every table of the folder."""
    tables = [pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))]
    chosen = [table[table["world"].isin(worlds)].dropna(axis=1, how="all") for table in tables]
    rows = pd.concat([each for each in chosen if len(each)], ignore_index=True)
    return rows.drop_duplicates([*KEYS, "step"])


def recording(worlds: Sequence[str], reports: int, folder: Path = FOLDER) -> Recording:
    """Return the curves of the recorded trainings of some worlds at ``reports`` equidistant reports.

    The worst fid of all replaces the reports that are missing because the training diverged. A recording
    with more reports is thinned out: reports between two recorded ones are never made up.

    Raises:
        ValueError: The recorded reports cannot be thinned out to ``reports``.
    """
    rows = read(worlds, folder)
    recorded = (rows["steps"] // rows["report_every"]).unique()
    if (recorded % reports).any():
        raise ValueError(f"{recorded} reports were recorded: {reports} reports do not divide them")
    share = rows["step"] / rows["steps"] * reports
    kept = rows[np.isclose(share, share.round()) & (rows["step"] > 0)]
    place = (kept["step"] / kept["steps"] * reports).round().astype(int)
    trainings = rows.drop_duplicates(KEYS).set_index(KEYS).sort_index()
    curves = kept.assign(place=place).pivot_table(index=KEYS, columns="place", values="fid")
    whole = curves.reindex(index=trainings.index, columns=range(1, reports + 1)).fillna(rows["fid"].max())
    return Recording(trainings.reset_index(), np.log(whole.to_numpy(float)), float(np.log(rows["fid"].min())))
