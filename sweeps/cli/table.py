"""Print tables that fit the terminal."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gan_core.errors import allowed_and_closest
from sweeps.analysis.columns import is_number
from sweeps.errors import SweepError
from sweeps.record.status import Status

GAP = 2
"""Spaces between two columns."""

LONGEST_TEXT = 40
"""The most characters of a cell on a terminal; names are never cut."""

_HEADINGS = {"trial_id": "trial"}
_GAINS = {"gain", "gain_low", "gain_high"}
_NAMES = {"sweep", "trial_id", "best", "confirmed"}
_HIDDEN = {"floor", "floor_images", "is_baseline"}
_LEAST_IMPORTANT = ("samples", "step", "retries", "took_over", "flags")
_STATUS_WORDS = {str(status): status.words for status in Status}


def select_columns(frame: pd.DataFrame, names: str | None) -> list[str] | None:
    """Return the columns that ``--columns`` names, in its order; None if the option is not given.

    A column has the name of the data (``trial_id``) or the heading of a table (``trial``).

    Raises:
        SweepError: A name is not a column; the message lists the columns.
    """
    if names is None:
        return None
    by_heading = {_HEADINGS.get(name, name): name for name in frame.columns}
    chosen = []
    for name in map(str.strip, names.split(",")):
        if name not in frame.columns and name not in by_heading:
            raise SweepError(f"--columns {name}: no such column; {allowed_and_closest(name, frame.columns)}")
        chosen.append(by_heading.get(name, name))
    return list(dict.fromkeys(chosen))


def print_table(title: str, frame: pd.DataFrame, columns: Sequence[str] | None, command: str) -> None:
    """Print a table: numbers right-aligned, the row of the defaults in bold, one line per row.

    On a terminal, the columns that do not fit its width are left out from the right and named below the
    table. Elsewhere, such as in a pipe, all columns are printed.

    Args:
        title: The line above the table.
        frame: The rows; ``is_baseline``, if it is a column, marks the defaults.
        columns: The columns to print; those of a leaderboard, the most important first, if it is None.
        command: The command that has the options ``--columns`` and ``--format csv`` for this table.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_baseline = frame.get("is_baseline", pd.Series(data=False, index=frame.index)).tolist()
    width = Console().width if sys.stdout.isatty() else None
    every = [
        _column(name, frame[name], is_baseline, None if width is None else LONGEST_TEXT)
        for name in columns or _by_importance(frame)
    ]
    fitting = every if width is None else every[: _n_fitting(every, width)]
    table = Table(box=None, padding=(0, GAP // 2), pad_edge=False, header_style="")
    for column in fitting:
        justify = "right" if column.is_number else "left"
        table.add_column(Text(column.heading), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for bold, *cells in zip(is_baseline, *(column.cells for column in fitting), strict=True):
        table.add_row(*map(Text, cells), style="bold" if bold else None)
    print(title)
    is_terminal = None if width is not None else False  # None: rich finds out what the terminal can do
    Console(width=width or _width_of(fitting), force_terminal=is_terminal).print(table)
    if left_out := [column.name for column in every[len(fitting) :]]:
        names = ", ".join(left_out)
        print(f"left out to fit the terminal: {names}; type {command} --columns A,B,... or --format csv")


@dataclass(frozen=True)
class _Column:
    name: str
    heading: str
    cells: list[str]
    is_number: bool

    @property
    def width(self) -> int:
        from rich.cells import cell_len

        return max(map(cell_len, [self.heading, *self.cells]))


def _column(name: str, values: "pd.Series[Any]", is_baseline: Sequence[bool], longest: int | None) -> _Column:
    """Return a column's cells as text, cut to ``longest`` characters unless they are names."""
    rows = zip(values.tolist(), values.isna().tolist(), is_baseline, strict=True)
    cells = ["-" if missing else _cell(name, value, bold) for value, missing, bold in rows]
    if longest is not None and name not in _NAMES:
        cells = [cell if len(cell) <= longest else f"{cell[: longest - 1]}…" for cell in cells]
    return _Column(name, _HEADINGS.get(name, name), cells, is_number(values) or name in _GAINS)


def _cell(column: str, value: object, is_baseline: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).splitlines())
    if column == "trial_id" and is_baseline:
        return f"{text} (defaults)"
    return _STATUS_WORDS.get(text, text) if column == "status" else text


def _by_importance(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a leaderboard: names, the score and its gain, parameters, then the rest."""
    last = [name for name in _LEAST_IMPORTANT if name in frame.columns]
    names = [name for name in frame.columns if name not in {*_HIDDEN, *last}]
    if {"status", "gain"} <= {*names}:
        names.remove("gain")
        names.insert(names.index("status") + 2, "gain")
    return names + last


def _n_fitting(columns: Sequence[_Column], width: int) -> int:
    """Return how many columns, from the left, fit a width; at least one."""
    fitting = [n for n in range(1, len(columns) + 1) if _width_of(columns[:n]) <= width]
    return max(fitting, default=1)


def _width_of(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)
