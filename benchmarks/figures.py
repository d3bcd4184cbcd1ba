"""Represent measured figures, with their targets and those of peers, and show them."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A measured figure and its target.

    Args:
        name: What was measured, with its unit.
        measured: The value; the median of several measurements.
        spread: The least and the greatest measurement; None for a single one.
        asked: The target; None without one.
        is_at_most: Whether the target is an upper bound.
        peers: The same figure of other tools, by name.
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
        """Return the figure of several measurements."""
        return cls(name, median(values), (min(values), max(values)), asked, is_at_most)

    @property
    def is_reached(self) -> bool:
        """Whether the figure meets its target; True without a target."""
        if self.asked is None:
            return True
        return self.measured <= self.asked if self.is_at_most else self.measured >= self.asked

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The name, the value, the spread, the peers, the target, and whether it is reached."""
        spread = "" if self.spread is None else f"{self.spread[0]:.3g} to {self.spread[1]:.3g}"
        peers = ", ".join(f"{name} {value:.3g}" for name, value in self.peers.items())
        if self.asked is None:
            return self.name, f"{self.measured:.3g}", spread, peers, "", ""
        bound = f"at {'most' if self.is_at_most else 'least'} {self.asked:.3g}"
        return self.name, f"{self.measured:.3g}", spread, peers, bound, "yes" if self.is_reached else "no"


COLUMNS = ("figure", "median", "spread", "peers", "asked", "reached")


def page(figures: Mapping[str, Sequence[Figure]], command: str, environment: Mapping[str, str]) -> str:
    """Return a Markdown page: the command, the machine, and a table of figures for each module."""
    machine = [f"- {name}: {value}" for name, value in environment.items()]
    parts = ["# What the benchmarks measured", "", f"`{command}` wrote this.", "", *machine]
    for name, each in figures.items():
        parts += ["", f"## {name}", "", _row(COLUMNS), _row(["---"] * len(COLUMNS))]
        parts += [_row(figure.cells) for figure in each]
    return "\n".join([*parts, ""])


def conclude_page(
    parts: Iterable[Mapping[str, Sequence[Figure]]],
    command: Callable[[Mapping[str, Sequence[Figure]]], str],
    environment: Mapping[str, str],
    output: Path | None,
) -> None:
    """Write a page anew after each part of the figures, and exit with 1 if any misses its target.

    Args:
        parts: All figures so far, after each part.
        command: Returns the command that measures these figures.
        environment: The machine and the versions.
        output: The file of the page; None prints the page.
    """
    figures: Mapping[str, Sequence[Figure]] = {}
    text = ""
    for figures in parts:
        text = page(figures, command(figures), environment)
        if output:
            output.write_text(text, encoding="utf-8")
    print(output or text)  # noqa: T201 - a command
    sys.exit(not all(figure.is_reached for each in figures.values() for figure in each))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def conclude(figures: Sequence[Figure]) -> None:
    """Print figures as a table, and exit with 1 if any misses its target."""
    table = Table(*COLUMNS)
    for figure in figures:
        table.add_row(*figure.cells)
    Console().print(table)
    sys.exit(not all(figure.is_reached for figure in figures))
