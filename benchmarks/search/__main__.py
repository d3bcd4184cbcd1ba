"""Compare search rules on recorded trainings: ``python -m benchmarks.search``.

A surrogate of recorded learning curves takes the place of the training. The project's own search and
schedulers, and other rules, search it. Two trials train at a time and report in turn, until every rule has
spent the same number of reports. The first trial has the tutorial's defaults and is never stopped early.

The luck of a trial is that of a recorded training: how the curve of one seed of a configuration deviates from
the mean of its seeds. The configuration is among the three with the nearest level, in the world with the same
networks and loss. Searches see scores with this luck. All tables but the last ones are about the incumbent
without it.

A rule is METHOD[+STOPPING][,NAME=VALUE]...: METHOD is a sampler; STOPPING is asha, hyperband, promote (pause
at each rung and promote the best), discard (train all for min_iter reports, then the best ones to the end),
or clairvoyant (knows each trial's last score); NAME is min_iter, eta, top, seeds (the last quarter of
the reports trains leading configurations on further seeds), stopped_score (which score the sampler gets for a
stopped trial: pruned, complete, extrapolated or deepest) or by (what chooses the incumbent: score or truth).
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from benchmarks.search import picture, tables
from benchmarks.search.replay import Replay
from benchmarks.search.rules import DEFAULT_RULES, STOPPED_SCORE_RULES, rule
from benchmarks.search.runs import Job, Store, by_rule, jobs, run
from benchmarks.search.statistics import noise_free
from benchmarks.search.world import REPORTS, SOURCES, RecordedWorld, surrogate_error

WIDTH = 220


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", nargs="+", choices=SOURCES, default=list(SOURCES), help="worlds (all)")
    parser.add_argument("--rules", nargs="+", metavar="RULE", help=f"rules ({' '.join(DEFAULT_RULES)})")
    parser.add_argument(
        "--stopped-scores", action="store_true", help=f"compare {' '.join(STOPPED_SCORE_RULES)} instead"
    )
    parser.add_argument("--reference", metavar="RULE", help="the rule that ratios compare with (the first)")
    parser.add_argument("--seeds", type=int, default=20, help="replays of each rule in each world (20)")
    parser.add_argument("--trainings", type=int, default=24, help="whole trainings to spend (24)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="replays at a time (cores)"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep replays in FILE; skip those it has")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="plot the medians as .html or .png")
    parser.add_argument("--describe", action="store_true", help="only describe the worlds")
    found = parser.parse_args()
    found.rules = found.rules or list(STOPPED_SCORE_RULES if found.stopped_scores else DEFAULT_RULES)
    found.reference = found.reference or found.rules[0]
    try:
        for text in (*found.rules, found.reference):
            rule(text)
    except ValueError as error:
        parser.error(str(error))
    if found.reference not in found.rules:
        found.rules.append(found.reference)
    return found


def show(
    found: Mapping[Job, Replay], best: Mapping[str, float], asked: argparse.Namespace, console: Console
) -> None:
    """Print the tables, and plot the medians."""
    replays = {world: by_rule(found, world) for world in asked.worlds}
    target = "random" if "random" in asked.rules else asked.reference
    for world, each in replays.items():
        console.print(tables.noise_free_table(world, each, best[world], target, asked.reference))
    curves = {world: noise_free(each) for world, each in replays.items()}
    compared = [asked.reference, *({"random+asha"} & set(asked.rules) - {asked.reference})]
    console.print(tables.overall_table(curves, best, compared))
    for world, each in replays.items():
        console.print(tables.observed_table(world, each))
    if asked.plot:
        picture.write(picture.figure(dict(curves), dict(best)), asked.plot)


def main() -> None:
    """Replay all rules, and print the tables."""
    asked = arguments()
    console = Console() if Console().is_terminal else Console(width=WIDTH)
    worlds = {name: RecordedWorld.of(SOURCES[name]) for name in asked.worlds}
    if asked.describe:
        errors = {name: surrogate_error(SOURCES[name]) for name in worlds}
        described = {name: (SOURCES[name], world, errors[name]) for name, world in worlds.items()}
        console.print(tables.worlds_table(described))
        return
    wanted = jobs(asked.worlds, asked.rules, asked.seeds, asked.trainings * REPORTS)
    found = run(wanted, asked.processes, Store(asked.keep))
    show(found, {name: world.best for name, world in worlds.items()}, asked, console)


if __name__ == "__main__":
    main()
