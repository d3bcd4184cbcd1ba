"""One shape for what benchmarks measure, beside what was asked."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """What was measured, and what was asked.

    Args:
        name: What it is, with its unit.
        measured: The median, where it was measured several times.
        spread: The least and the most of them, or None.
        asked: What it is to be; None where nothing was asked.
        is_at_most: Whether less is better.
        peers: What others take for the same, by their names.
    """

    name: str
    measured: float
    spread: tuple[float, float] | None = None
    asked: float | None = None
    is_at_most: bool = True
    peers: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, name: str, values: Sequence[float], asked: float | None = None, *, is_at_most: bool = True
    ) -> "Figure":
        """Return the median of several measurements."""
        return cls(name, median(values), (min(values), max(values)), asked, is_at_most)

    @property
    def is_reached(self) -> bool:
        """Whether it is what was asked; also where nothing was."""
        if self.asked is None:
            return True
        return self.measured <= self.asked if self.is_at_most else self.measured >= self.asked

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The name, the median, the spread, the peers' figures, what was asked, and whether it is reached."""
        spread = "" if self.spread is None else f"{self.spread[0]:.3g} to {self.spread[1]:.3g}"
        peers = ", ".join(f"{name} {value:.3g}" for name, value in self.peers.items())
        if self.asked is None:
            return self.name, f"{self.measured:.3g}", spread, peers, "", ""
        bound = f"at {'most' if self.is_at_most else 'least'} {self.asked:.3g}"
        return self.name, f"{self.measured:.3g}", spread, peers, bound, "yes" if self.is_reached else "no"


COLUMNS = ("figure", "median", "spread", "peers", "asked", "reached")


def page(figures: Mapping[str, Sequence[Figure]], command: str, environment: Mapping[str, str]) -> str:
    """Return what a command measured, by module, and on what, as Markdown."""
    machine = [f"- {name}: {value}" for name, value in environment.items()]
    parts = ["# What the benchmarks measured", "", f"`{command}` wrote this.", "", *machine]
    for name, each in figures.items():
        parts += ["", f"## {name}", "", _row(COLUMNS), _row(["---"] * len(COLUMNS))]
        parts += [_row(figure.cells) for figure in each]
    return "\n".join([*parts, ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def conclude(figures: Sequence[Figure]) -> None:
    """Print figures as a table, and exit with 1 where one is missed."""
    table = Table(*COLUMNS)
    for figure in figures:
        table.add_row(*figure.cells)
    Console().print(table)
    sys.exit(not all(figure.is_reached for figure in figures))
