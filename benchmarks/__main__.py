"""All benchmarks that take minutes: ``python -m benchmarks``, at most 40 of them on 2 cores.

``in_full``, ``record`` and ``search`` are run by themselves.

Writes ``benchmarks/RESULTS.md``, and exits with 1 where a figure is missed.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic

from rich.console import Console

from benchmarks.figures import Figure, page
from sweeps.driver.environment import environment
from sweeps.words import duration

OUTPUT = Path(__file__).with_name("RESULTS.md")

SIZES: Mapping[str, Mapping[str, int]] = {
    "startup": {},
    "overhead": {"peers_trials": 10},
    "cluster": {},
    "efficiency": {"rounds": 1, "trials": 4},
    "evaluation": {},
    "tracking": {"rounds": 1, "trials": 4, "lag_s": 90},
    "rank": {},
    "step": {},
    "time_to_fid": {"trials": 10},
}
"""The modules in turn, with what differs from their own defaults so that all take 40 minutes."""

QUICK: Mapping[str, Mapping[str, int]] = {
    "startup": {"rounds": 1},
    "overhead": {"rounds": 1, "trials": 10, "peers_trials": 3, "many": 50},
    "cluster": {"trials": 20},
    "efficiency": {"rounds": 1, "trials": 2, "steps": 100},
    "evaluation": {"steps": 250},
    "tracking": {"rounds": 1, "trials": 2, "steps": 100, "reports": 2, "lag_s": 8},
    "rank": {"rounds": 1},
    "step": {"rounds": 1},
    "time_to_fid": {"seeds": 2, "rounds": 1, "trials": 3},
}
"""Sizes that try each module rather than measure."""


def measure(
    names: Sequence[str], sizes: Mapping[str, Mapping[str, int]]
) -> Iterator[dict[str, list[Figure]]]:
    """Run modules one after another, and yield the figures so far after each."""
    console, figures = Console(stderr=True), {}
    for name in names:
        started = monotonic()
        function: Callable[[], list[Figure]] = partial(
            import_module(f"benchmarks.{name}").figures, **sizes[name]
        )
        figures[name] = function()
        console.print(f"{name}: {duration(monotonic() - started)}", highlight=False)
        yield figures


def command(names: Iterable[str]) -> str:
    """Return what is typed to run modules."""
    return " ".join(["python -m benchmarks", *([] if [*names] == [*SIZES] else names)])


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*SIZES], help=f"which: {', '.join(SIZES)} (all)")
    parser.add_argument("--quick", action="store_true", help="try them: the figures say nothing then")
    parser.add_argument("--output", type=Path, help=f"({OUTPUT.name}; nowhere with --quick)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(SIZES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    output, figures, told = asked.output or (None if asked.quick else OUTPUT), {}, ""
    where = environment()
    for figures in measure(asked.names, QUICK if asked.quick else SIZES):
        told = page(figures, command(figures), where)
        if output:
            output.write_text(told, encoding="utf-8")
    print(output or told)  # noqa: T201 - a command
    sys.exit(not all(figure.is_reached for each in figures.values() for figure in each))


if __name__ == "__main__":
    main()
