"""What a person reads when a sweep is over."""

from collections.abc import Hashable, Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from sweeps.ledger import report_file
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
    metric, less_is_better = sweep.metric, sweep.less_is_better
    if best:
        params = params_in_short(best["params"])
        yield "best", f"{metric} {best[metric]:.4g}  {best['trial_id']}  {params}"
    if best and baseline:
        comparable = metric if baseline["samples"] == best["samples"] else f"search_{metric}"
        scores = baseline[comparable], best[comparable]
        gain, word = (scores[0] / scores[1], "lower") if less_is_better else (scores[1] / scores[0], "higher")
        told = f"the best is {gain:.1f}x {word}"
        yield "defaults", f"{metric} {scores[0]:.4g}  {baseline['trial_id']}  {told}"
    if best:
        floor, samples = summary["floors"][metric], best["samples"]
        yield "floor", f"{metric} {floor:.4g}  real images; the best's {metric} is of {samples:,} samples"
        yield "samples", str(sweep.samples_file(best["trial_id"]))
    if report_file(sweep.folder).exists():
        yield "report", str(report_file(sweep.folder))
    where = "" if results == RESULTS else f" --results {quote(str(results))}"
    commands = [f"rank {sweep.name}", "ui"]
    if summary["status"] == Status.INTERRUPTED:
        commands.insert(0, f"resume {sweep.name}")
    for label, command in zip(["next", "", ""], commands, strict=False):
        yield label, f"gan-sweep {command}{where}"


def print_leaderboard(sweep: Sweep, frame: pd.DataFrame) -> None:
    """Print what :meth:`sweeps.ranking.Sweep.rank` returned, as a table."""
    better = "less" if sweep.less_is_better else "more"
    title = f"{sweep.name}: {sweep.metric}, {better} is better"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    columns = [column for column in frame.columns if column != "is_baseline"]
    for column in columns:
        heading = {"trial_id": "trial"}.get(column, column)
        table.add_column(heading, justify="left" if column in {"trial_id", "status"} else "right")
    for row in frame.to_dict("records"):
        table.add_row(
            *(_cell_of(row, column) for column in columns), style="bold" if row["is_baseline"] else None
        )
    Console(width=TABLE_WIDTH).print(table)


def _cell_of(row: dict[Hashable, Any], column: str) -> str:
    if column == "trial_id":
        return f"{row[column]} (defaults)" if row["is_baseline"] else str(row[column])
    if column == "status":
        return Status(row[column]).words
    return _cell(row[column], unit="x" if column == "gain" else "")


def _cell(value: object, unit: str = "") -> str:
    if pd.isna(value):  # type: ignore[call-overload] # a cell is a scalar
        return "-"
    return f"{value:.4g}{unit}" if isinstance(value, float) else f"{value}{unit}"
