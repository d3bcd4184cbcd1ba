"""The options that several commands share."""

import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gan_core.imports import allow_imports
from sweeps.errors import SweepError
from sweeps.words import RESULTS


class Format(StrEnum):
    """The format of a printed table."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


SpecFile = Annotated[
    Path,
    typer.Argument(metavar="SPEC.yaml", help="The search-space file: what to search, and for how long."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Use this value in place of the file's: parameters.steps=500, or parameters.lr.max=1e-3."
        " Repeatable.",
    ),
]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The name of the sweep.", autocompletion=lambda ctx: _names(ctx)),
]
NEWEST = ""
NameOrNewest = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The name of the sweep. By default, the newest sweep.",
        show_default=False,
        autocompletion=lambda ctx: _names(ctx),
        callback=lambda ctx, name: name or _newest(ctx),
    ),
]
NamesOrNewest = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="The name of a sweep, or the names of several sweeps for one table. By default, the newest"
        " sweep.",
        show_default=False,
        autocompletion=lambda ctx: _names(ctx),
        callback=lambda ctx, names: names or [_newest(ctx)],
    ),
]
TrialOrBest = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="The trial, for example lsgan-0003. By default, the winner of the confirmation or, without a"
        " winner, the best trial with a kept generator.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="The number of trials of the search. By default, the file's trials, or 24."
    ),
]
TimeBudget = Annotated[
    str | None,
    typer.Option(
        "--time-budget",
        metavar="T",
        help="End the sweep after this time: 90m, 2h, 1d or seconds. gan-sweep resume continues it. By"
        " default, the file's time_budget, or no limit.",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        help="The MLflow server or database that shows the sweep, for example http://HOST:5000. By default,"
        " MLFLOW_TRACKING_URI or, if it is not set, mlflow.db in the results folder.",
    ),
]
SameTrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        help="The MLflow server or database, for example http://HOST:5000. By default, MLFLOW_TRACKING_URI"
        " or, if it is not set, the one that has the runs of the sweep.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT",
        help="Train on a running Ray cluster: auto for the cluster that this machine has joined, or the"
        " address of its head. By default, on this machine.",
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="DIR|s3://...|gs://...",
        help="Keep the checkpoints of unfinished trials here, where all nodes of a cluster can read and"
        " write. By default, where the sweep has kept them so far; a new sweep keeps them in its folder or,"
        " with --address, on each node's own disk.",
    ),
]
Results = Annotated[
    Path,
    typer.Option(
        "--results",
        metavar="DIR",
        envvar="GAN_SWEEP_RESULTS",
        show_envvar=True,
        is_eager=True,
        help="The results folder, which has a folder for each sweep.",
    ),
]
AllowImports = Annotated[
    bool,
    typer.Option(
        "--allow-imports",
        help="Import code of your own, which a search-space file names as MODULE:NAME. Importing runs the"
        " code: type this only if you trust it. By default, the command refuses such code.",
        callback=lambda allowed: _allow_imports(allowed),
    ),
]
ChangedCode = Annotated[
    bool,
    typer.Option(
        "--changed-code",
        help="Train new trials with your own code although it has changed since the last trials. By default,"
        " the command refuses, and names the changed files.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B,...",
        help="Print only these columns, in this order. By default, all columns; a terminal shows as many as"
        " fit.",
    ),
]
OutputFormat = Annotated[
    Format, typer.Option("--format", help="Print a table to read, CSV, or JSON (as --json does).")
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document to stdout, and everything else to stderr."),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit with code 3 if any trial failed; a diverged trial does not count as failed. By default,"
        " the exit code is 0 although some trials failed.",
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also print the lines of sweep.log to stderr: a line for each event."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Do not show the progress.")]


def _allow_imports(allowed: bool) -> bool:
    """Allow imports of users' components, which may lie in the current folder: last on the search path."""
    if allowed:
        allow_imports(True)
        sys.path.append(str(Path.cwd()))
    return allowed


def _results(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("results") or RESULTS)


def _names(ctx: typer.Context) -> list[str]:
    """Return the names of all sweeps, for the shell to complete."""
    from sweeps.record.layout import sweep_names

    with suppress(SweepError):
        return sweep_names(_results(ctx))
    return []


def _newest(ctx: typer.Context) -> str:
    """Return the name of the sweep that began last, and print it to stderr.

    Raises:
        UnknownSweepError: There is no sweep that can be read.
    """
    if ctx.resilient_parsing:
        return NEWEST
    from sweeps.record.reading import newest_sweep

    results = _results(ctx)
    name = newest_sweep(results)
    print(f"{name}, the newest sweep in {results}", file=sys.stderr)
    return name
