"""The options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gan_core.registry import allow_imports


class Format(StrEnum):
    """How a leaderboard is printed."""

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
    str | None, typer.Option("--time-budget", metavar="T", help="When to end: 90m, 2h or seconds.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", metavar="URI", help="Where MLflow keeps runs: http://HOST:PORT or the like."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="auto|HOST:PORT", help="Run on a Ray cluster that runs already, not here."
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="DIR|s3://...|gs://...",
        help="Where all nodes keep the states of unfinished trials.",
    ),
]
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where sweeps are kept.")]
AllowImports = Annotated[
    bool,
    typer.Option(
        "--allow-imports",
        help="Import components that are named MODULE:NAME, which runs their code: only if you trust it.",
        callback=lambda allowed: _allow_imports(allowed),
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; the rest goes to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing while it runs.")]


def _allow_imports(allowed: bool) -> bool:
    if allowed:
        allow_imports(True)
    return allowed
