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


SpecFile = Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The search-space file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value: parameters.steps=500. Repeatable."),
]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The sweep's name.", autocompletion=lambda ctx: _names(ctx)),
]
NEWEST = ""
NameOrNewest = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The sweep's name; by default the newest sweep.",
        show_default=False,
        autocompletion=lambda ctx: _names(ctx),
        callback=lambda ctx, name: name or _newest(ctx),
    ),
]
NamesOrNewest = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="The sweeps' names, several in one table; by default the newest sweep.",
        show_default=False,
        autocompletion=lambda ctx: _names(ctx),
        callback=lambda ctx, names: names or [_newest(ctx)],
    ),
]
TrialOrBest = Annotated[str | None, typer.Option(metavar="T", help="A trial; by default the best.")]
TimeBudget = Annotated[
    str | None, typer.Option("--time-budget", metavar="T", help="Stop after this time: 90m, 2h or seconds.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option("--tracking-uri", metavar="URI", help="MLflow's tracking URI, such as http://HOST:PORT."),
]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="auto|HOST:PORT", help="Run on a running Ray cluster."),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="DIR|s3://...|gs://...",
        help="Keep the states of unfinished trials where all nodes see them.",
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
        help="The folder of all sweeps.",
    ),
]
AllowImports = Annotated[
    bool,
    typer.Option(
        "--allow-imports",
        help="Import components named MODULE:NAME, which runs their code: only if you trust it.",
        callback=lambda allowed: _allow_imports(allowed),
    ),
]
ChangedCode = Annotated[
    bool,
    typer.Option(
        "--changed-code", help="Train with your own code although it has changed since the last trials."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B,...", help="Only these columns, in this order."),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How to print it.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document; everything else goes to stderr.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 3 if any trial failed.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the sweep's log to stderr, a line for each event.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


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
