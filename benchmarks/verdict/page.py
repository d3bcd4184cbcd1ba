"""Tables of measured verdicts, for a terminal and in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan

from rich.table import Table

from benchmarks.verdict.measure import Measured


@dataclass
class Shown:
    """A table to show.

    Args:
        title: Its title.
        columns: Its headings.
        rows: The cells of each row.
    """

    title: str
    columns: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def add_measured(self, scenario: str, method: str, measured: Measured) -> None:
        """Add the result of a method in a scenario, in percent."""
        power = (f"{100 * share:.0f}" for share in measured.power)
        errors = f"{100 * measured.any_error:.1f}", f"{100 * measured.gain_error:.1f}"
        covered = "" if isnan(measured.coverage) else f"{100 * measured.coverage:.1f}"
        self.add(scenario, method, *errors, *power, covered)

    def rich(self) -> Table:
        """Return the table for a terminal."""
        table = Table(*self.columns, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return the table in Markdown, under its title."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join([f"## {self.title}", "", *(f"| {' | '.join(cells)} |" for cells in lines)])
