"""Measure how often verdicts err and what they find: ``python -m benchmarks.verdict``.

Sweeps of three configurations, 3 and 5 seeds each, are judged by the model
(:mod:`sweeps.analysis.seed_noise`) and by the paired t-test that it replaced. The sweeps are simulated, or
resampled from the recorded replicas: one half of the configurations fits the prior, the other half is judged.
Errors are counted among equal configurations: ``any`` is the share of sweeps in which a configuration is
called worse, ``gain`` the share in which the winner is called better than the defaults. The other columns
have the share of sweeps in which a true gain is significant, and the share of 95 % intervals that contain the
true mean. The command writes ``benchmarks/VERDICT.md``.

``fit`` fits and calibrates, ``bank`` describes the recorded replicas, ``first-day`` replays the README's
sweep. A whole measurement takes minutes.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.replicas import TABLE
from benchmarks.verdict import bank, halves
from benchmarks.verdict.fit import cautious, like_finalists, log_scores, shipped, write
from benchmarks.verdict.measure import GAINS, measure
from benchmarks.verdict.methods import Method, Model, PairedT, shipped_evidence
from benchmarks.verdict.page import Shown
from benchmarks.verdict.race import LOOKS, measure_race
from benchmarks.verdict.scenarios import simulated
from benchmarks.verdict.searches import FRESH_SEEDS, TRAININGS, measure_searches
from sweeps.analysis.evidence import Kind

OUTPUT = Path(__file__).parents[1] / "VERDICT.md"
CONFIGURATIONS = 3
SEEDS = (3, 5)
RACED = (0, 2, 3, 4)
"""The scenarios of ``--until-resolved`` and of searches, by their place."""
SEARCH_SEEDS = (1, 3)
RACES = ((1.0, 1.0, 1.0), (1.0, 1.2, 3.5), (1.0, 2.0, 3.5))
COLUMNS = ("noise of log fid", "method", "any, %", "gain, %")


def simulations(repetitions: int, _: Path) -> Iterator[Shown]:
    """Yield a table of simulated sweeps for each number of seeds."""
    recorded = shipped_evidence(Kind.RECORDED).base
    for n_seeds in SEEDS:
        title = f"{CONFIGURATIONS} simulated configurations, {n_seeds} seeds"
        shown = Shown(title, [*COLUMNS, *(f"{gain:g} times, %" for gain in GAINS), "covered, %"])
        models = [Model.shipped(kind, CONFIGURATIONS, n_seeds) for kind in Kind]
        methods: list[Method] = [*models, PairedT()]
        for scenario in simulated(recorded):
            for method in methods:
                found = measure(scenario, method, CONFIGURATIONS, n_seeds, repetitions)
                shown.add_measured(scenario.name, method.name, found)
        yield shown


def resamples(repetitions: int, table: Path) -> Iterator[Shown]:
    """Yield tables of the recorded replicas: one half of the configurations fits, the other is judged."""
    scores = like_finalists(log_scores(table)).to_numpy()
    rules = {"prior of the fit alone": cautious, "prior as shipped": shipped}
    everything = halves.halves(scores)
    for n_seeds in SEEDS:
        title = f"{CONFIGURATIONS} configurations from the recorded replicas, {n_seeds} seeds"
        gains = (f"{gain:g} times, %" for gain in halves.SMALL_GAINS)
        shown = Shown(title, [*COLUMNS, *gains, "covered, %"])
        for name, rule, found in halves.measured(everything, rules, CONFIGURATIONS, n_seeds, repetitions):
            shown.add_measured(name, rule, found)
        yield shown


def races(repetitions: int, _: Path) -> Iterator[Shown]:
    """Yield the table of ``--until-resolved``."""
    n = CONFIGURATIONS * LOOKS[-1]
    shown = Shown(
        f"--until-resolved, {LOOKS[0]} to {LOOKS[-1]} seeds",
        ["noise of log fid", "true means", "best rejected, %", "gain over the last, %", f"trainings of {n}"],
    )
    scenarios = simulated(shipped_evidence(Kind.RECORDED).base)
    for place in RACED:
        for gains in RACES:
            found = measure_race(scenarios[place], gains, repetitions)
            shares = f"{100 * found.errors:.1f}", f"{100 * found.gain:.1f}"
            means = " : ".join(f"{gain:g}" for gain in gains)
            shown.add(scenarios[place].name, means, *shares, f"{found.seeds:.1f}")
    yield shown


def searches(repetitions: int, _: Path) -> Iterator[Shown]:
    """Yield the table of verdicts that follow a search with and without further seeds."""
    shown = Shown(
        f"Finalists of a search of {TRAININGS} trainings of equal configurations, {FRESH_SEEDS} fresh seeds",
        ["noise of log fid", "seeds in the search", "any, %", "gain, %"],
    )
    scenarios = simulated(shipped_evidence(Kind.RECORDED).base)
    for place in RACED:
        for most_seeds in SEARCH_SEEDS:
            found = measure_searches(scenarios[place], most_seeds, repetitions)
            shares = (f"{100 * each.mean():.1f}" for each in (found.any_worse, found.gain))
            shown.add(scenarios[place].name, f"at most {most_seeds}" if most_seeds > 1 else "1", *shares)
    yield shown


PARTS: dict[str, Callable[[int, Path], Iterator[Shown]]] = {
    "simulations": simulations,
    "resamples": resamples,
    "races": races,
    "searches": searches,
}


def main() -> None:
    """Measure, fit, describe or replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = ["measure", *PARTS, "fit", "bank", "first-day"]
    parser.add_argument("action", nargs="?", choices=actions, default="measure")
    parser.add_argument("--repetitions", type=int, default=2000, help="sweeps of each row (2000)")
    parser.add_argument("--table", type=Path, default=TABLE, help="the recorded replicas")
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, help="the page that a whole measurement writes"
    )
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of first-day's file")
    parser.add_argument("--seeds", type=int, default=20, help="sweeps of first-day (20)")
    arguments = parser.parse_args()
    if arguments.action == "fit":
        write(arguments.table, repetitions=arguments.repetitions)
    elif arguments.action == "bank":
        bank.show(arguments.table)
    elif arguments.action == "first-day":
        from benchmarks.verdict import first_day

        first_day.show(arguments.set, arguments.seeds)
    else:
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    """Print the tables of one part or of all; all together are a page."""
    console, found = Console(width=150), []
    is_whole = arguments.action == "measure"
    for name, part in PARTS.items():
        if is_whole or arguments.action == name:
            for shown in part(arguments.repetitions, arguments.table):
                console.print(shown.rich())
                found.append(shown.markdown())
    if is_whole:
        command = "python -m benchmarks.verdict"
        about = f"`{command}` wrote this: {arguments.repetitions:,} sweeps a row."
        arguments.output.write_text(
            "\n\n".join(["# How often verdicts err, and what they find", about, *found]) + "\n"
        )


if __name__ == "__main__":
    main()
