"""The options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gan_core.registry import allow_imports


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
Name = Annotated[str, typer.Argument(metavar="NAME", help="The sweep's name.")]
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
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="The folder of all sweeps.")]
AllowImports = Annotated[
    bool,
    typer.Option(
        "--allow-imports",
        help="Import components named MODULE:NAME, which runs their code: only if you trust it.",
        callback=lambda allowed: _allow_imports(allowed),
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
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


def _allow_imports(allowed: bool) -> bool:
    if allowed:
        allow_imports(True)
    return allowed
