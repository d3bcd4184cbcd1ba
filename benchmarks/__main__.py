"""Run all benchmarks that take minutes: ``python -m benchmarks``, at most 40 minutes on 2 cores.

``in_full``, ``replicas`` and ``search`` take longer and have commands of their own. ``portfolio`` writes no
figures, but a file of the package.

The command writes ``benchmarks/RESULTS.md``, and exits with 1 if any figure misses its target.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic

from rich.console import Console

from benchmarks.figures import Figure, conclude_page
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
"""The modules in order, with the sizes that differ from their defaults: all take 40 minutes together."""

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
"""Sizes that only check that each module runs."""


def measure(
    names: Sequence[str], sizes: Mapping[str, Mapping[str, int]]
) -> Iterator[dict[str, list[Figure]]]:
    """Run modules one after another, and yield all figures so far after each."""
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
    """Return the command that runs these modules."""
    return " ".join(["python -m benchmarks", *([] if [*names] == [*SIZES] else names)])


def main() -> None:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", default=[*SIZES], help=f"the benchmarks: {', '.join(SIZES)} (all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="only check that they run; the figures mean nothing"
    )
    parser.add_argument("--output", type=Path, help=f"the page ({OUTPUT.name}; with --quick, none)")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(SIZES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    output = asked.output or (None if asked.quick else OUTPUT)
    measured = measure(asked.names, QUICK if asked.quick else SIZES)
    conclude_page(measured, command, environment(), output)


if __name__ == "__main__":
    main()
