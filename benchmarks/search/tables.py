"""Show the replays: a table for each world, and one over all worlds."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from rich.table import Table

from benchmarks.recordings import Floats
from benchmarks.search import statistics
from benchmarks.search.replay import Replay
from benchmarks.search.statistics import Curves, resampled
from benchmarks.search.surrogate import HeldOut
from benchmarks.search.world import NEAR, RecordedWorld, Source

SHARES = (1 / 3, 2 / 3, 1)
PERCENT = f"{NEAR - 1:.0%}"

Replays = Mapping[str, Sequence[Replay]]


def worlds_table(worlds: Mapping[str, tuple[Source, RecordedWorld, HeldOut]]) -> Table:
    """Return a table of the worlds: their recordings, and what a search can find in them."""
    table = _table(
        "Worlds: recorded trainings and their surrogates",
        "world",
        "configurations",
        "R2 held out",
        "median error of fid",
        "least recorded fid",
        "best without noise",
        f"share of the space within {PERCENT}",
        "deviation of the best's log fid over seeds",
    )
    for name, (source, world, error) in worlds.items():
        least = float(np.exp(source.recorded().least))
        table.add_row(
            name,
            str(len(error.true)),
            f"{error.r2:.2f}",
            f"{error.relative_error:.1%}",
            f"{least:.3g}",
            f"{world.best:.3g}",
            f"{world.share_near:.2%}",
            f"{world.spread:.2f}",
        )
    return table


def noise_free_table(world: str, replays: Replays, best: float, target: str, reference: str) -> Table:
    """Return a table of the noise-free incumbents of each rule in a world.

    Args:
        world: The world's name.
        replays: The replays of each rule.
        best: The least noise-free fid of the space.
        target: The rule to be reached with a share of the reports.
        reference: The rule that ratios compare with.
    """
    curves = statistics.noise_free(replays)
    n_seeds, budget = next(iter(curves.values())).shape
    ends = [max(1, round(share * budget)) for share in SHARES]
    table = _table(
        f"{world}: noise-free fid of the incumbent, median of {n_seeds} seeds [95 %]; best {best:.3g}",
        "rule",
        *(f"{end} reports" for end in ends),
        f"reports until it stays at {target}'s last fid, share",
        f"within {PERCENT} of the best: proposed",
        "ever the incumbent",
        "at the end",
        f"paired ratio to {reference}",
    )
    for name, each in curves.items():
        reach = resampled([each, curves[target]], statistics.share_to_reach)
        near = partial(statistics.is_near, best=best)
        proposed = np.array([one.proposed for one in replays[name]])
        shares = (near(proposed), near(each.min(axis=1)), near(each[:, -1]))
        ratio = statistics.paired_ratio([each[:, -1]], [curves[reference][:, -1]])
        table.add_row(
            name,
            *(resampled([each[:, end - 1]], statistics.median).text(".3g") for end in ends),
            reach.text(".2f"),
            *(resampled([share], statistics.mean).text(".2f") for share in shares),
            ratio.text(".2f"),
        )
    return table


def observed_table(world: str, replays: Replays) -> Table:
    """Return a table of the observed incumbents, which flatter every rule."""
    curves = statistics.observed(replays)
    truth = statistics.noise_free(replays)
    table = _table(
        f"{world}: observed last fid of the incumbent. It flatters: the incumbent is the luckiest of many",
        "rule",
        "observed, median",
        "the same without noise",
    )
    for name, each in curves.items():
        cells = [resampled([values[:, -1]], statistics.median) for values in (each, truth[name])]
        table.add_row(name, *(cell.text(".3g") for cell in cells))
    return table


def overall_table(
    worlds: Mapping[str, Curves], best: Mapping[str, float], references: Sequence[str]
) -> Table:
    """Return a table over all worlds: paired ratios to some rules, and how often the best is found."""
    table = _table(
        f"All worlds: {', '.join(worlds)}",
        "rule",
        *(f"paired ratio to {reference}" for reference in references),
        f"within {PERCENT} of the best at the end",
    )
    last = {world: {name: each[:, -1] for name, each in curves.items()} for world, curves in worlds.items()}
    for name in next(iter(last.values())):
        own = [each[name] for each in last.values()]
        ratios = [
            statistics.paired_ratio(own, [each[reference] for each in last.values()]).text(".2f")
            for reference in references
        ]
        near = [statistics.is_near(each[name], best[world]) for world, each in last.items()]
        table.add_row(name, *ratios, resampled(near, _mean_of_means).text(".2f"))
    return table


def _mean_of_means(*samples: Floats) -> float:
    return float(np.mean([each.mean() for each in samples]))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=not place)
    return table
