"""What a person reads when a sweep is over."""

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.table import Table

from sweeps.ranking import RESULTS, Sweep
from sweeps.status import Status
from sweeps.words import duration, params_in_short

if TYPE_CHECKING:
    from sweeps.runner import Outcome

TABLE_WIDTH = 240
"""Columns that a table may take: in a narrow terminal its lines wrap, but no value is cut."""


def print_summary(outcome: "Outcome", results: Path) -> None:
    """Print which configuration won, by how much, where its samples are and what to type next."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for label, text in _summary_lines(outcome, results):
        console.print(f"{label:<9} {text}")


def _summary_lines(outcome: "Outcome", results: Path) -> Iterator[tuple[str, str]]:
    sweep, summary = outcome.sweep, outcome.sweep.summary()
    counts = ", ".join(f"{count} {Status(status).words}" for status, count in summary["trials"].items())
    yield sweep.name, f"{counts or 'no trial was started'}, in {duration(summary['seconds'])}"
    best, baseline = summary["best"], summary["baseline"]
    if best:
        yield "best", f"fid {best['fid']:.4g}  {best['trial_id']}  {params_in_short(best['params'])}"
    if best and baseline:
        comparable = "fid" if baseline["samples"] == best["samples"] else "search_fid"
        gain = baseline[comparable] / best[comparable]
        yield (
            "defaults",
            f"fid {baseline[comparable]:.4g}  {baseline['trial_id']}  the best is {gain:.1f}x lower",
        )
    if best:
        floor = summary["floors"]["fid"]
        yield "floor", f"fid {floor:.4g}  real images; the best's fid is of {best['samples']:,} samples"
        yield "samples", str(sweep.samples_file(best["trial_id"]))
    where = "" if results == RESULTS else f" --results {quote(str(results))}"
    yield "next", f"gan-sweep rank {sweep.name}{where}"
    yield "", f"gan-sweep ui{where}"


def print_leaderboard(sweep: Sweep, frame: pd.DataFrame) -> None:
    """Print what :meth:`sweeps.ranking.Sweep.rank` returned, as a table."""
    table = Table(title=f"{sweep.name}: fid, less is better", title_justify="left", box=None, pad_edge=False)
    for column in ("rank", "trial", "status", "fid", "samples", "gain", "step", "flags", *sweep.searched):
        table.add_column(column, justify="left" if column in {"trial", "status"} else "right")
    for row in frame.to_dict("records"):
        table.add_row(
            _cell(row["rank"]),
            f"{row['trial_id']} (defaults)" if row["is_baseline"] else row["trial_id"],
            Status(row["status"]).words,
            _cell(row["fid"]),
            _cell(row["samples"]),
            _cell(row["gain"], unit="x"),
            _cell(row["step"]),
            row["flags"],
            *(_cell(row[name]) for name in sweep.searched),
            style="bold" if row["is_baseline"] else None,
        )
    Console(width=TABLE_WIDTH).print(table)


def _cell(value: object, unit: str = "") -> str:
    if pd.isna(value):  # type: ignore[call-overload] # a cell is a scalar
        return "-"
    return f"{value:.4g}{unit}" if isinstance(value, float) else f"{value}{unit}"
