"""The command ``gan-sweep``; each subcommand imports what it needs, so that the command starts fast."""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from gan_core.errors import GanCoreError
from gan_core.registry import imports
from sweeps.cli import reading, running
from sweeps.cli.exits import EXIT_BAD_INPUT
from sweeps.errors import DamagedLedgerWarning, SweepError

RUN = "run"


class _RunByDefault(TyperGroup):
    """Reads ``gan-sweep SPEC.yaml`` as ``gan-sweep run SPEC.yaml``."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override] # noqa: ANN401 - typer's own types
        if args[0] not in self.commands and Path(args[0]).suffix in {".yaml", ".yml"}:
            args = [RUN, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Search the hyperparameters of a GAN by the quality of its samples.\n\n"
    "[bold]gan-sweep search_spaces/lsgan.yaml[/bold] runs a sweep, as [bold]gan-sweep run[/bold] does.",
)

_COMMANDS: dict[str, Callable[..., None]] = {
    RUN: running.run_command,
    "resume": running.resume_command,
    "preview": running.preview_command,
    "schema": reading.schema_command,
    "confirm": running.confirm_command,
    "rank": reading.rank_command,
    "list": reading.list_command,
    "sample": reading.sample_command,
    "export": reading.export_command,
    "rerun": running.rerun_command,
    "report": reading.report_command,
    "sync": reading.sync_command,
    "ui": reading.ui_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run the command line; an error that a user can fix is one line a fault, and exit code 2.

    Users' own components may lie in the directory that the command is started in, as for ``python -m``.
    """
    sys.path.insert(0, str(Path.cwd()))
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    try:
        with imports(allowed=False):
            app()
    except (SweepError, GanCoreError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def _show_warning(
    usual: Callable[..., None], message: Warning | str, category: type[Warning], *where: object
) -> None:
    """Print warnings for users as one line, and all others in Python's way."""
    if issubclass(category, DamagedLedgerWarning):
        print(f"warning: {message}", file=sys.stderr)
    else:
        usual(message, category, *where)
