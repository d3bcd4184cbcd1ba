"""The command ``gan-sweep``; each subcommand imports what it needs, so that the command starts fast."""

import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from gan_core.errors import GanCoreError
from gan_core.imports import imports
from sweeps.cli import managing, reading, running
from sweeps.cli.exits import EXIT_BAD_INPUT, EXIT_INTERNAL_ERROR
from sweeps.errors import DamagedLedgerWarning, SweepError

RUN = "run"


class _RunByDefault(TyperGroup):
    """Reads ``gan-sweep SPEC.yaml`` as ``gan-sweep run SPEC.yaml``, wherever the options stand."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override] # typer's own types
        names_a_file = any(Path(arg).suffix in {".yaml", ".yml"} for arg in args)
        if names_a_file and args[0] not in self.commands:
            args = [RUN, *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Search the hyperparameters of a GAN by the quality of its samples.\n\n"
    "[bold]gan-sweep SPEC.yaml[/bold] runs the sweep that a search-space file describes, for example"
    " search_spaces/lsgan.yaml. [bold]gan-sweep COMMAND --help[/bold] shows the options of a command.",
)

_COMMANDS: dict[str, Callable[..., None]] = {
    RUN: running.run_command,
    "resume": running.resume_command,
    "preview": running.preview_command,
    "check": running.check_command,
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
    "stop": managing.stop_command,
    "rm": managing.rm_command,
    "cache": managing.cache_command,
}


def _help(command: Callable[..., None]) -> str:
    """Return the docstring of a command, a line for each paragraph: Typer keeps the breaks of lines."""
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


for _name, _command in _COMMANDS.items():
    app.command(_name, help=_help(_command))(_command)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"gan-sweep {version('gan-sweep')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line.

    An error that a user can fix is one line a fault, with exit code 2. Any other exception is a fault of
    gan-sweep: it is shown whole, with exit code 70.
    """
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    try:
        with imports(allowed=False):
            app()
    except (SweepError, GanCoreError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except Exception:  # noqa: BLE001 - shown whole
        traceback.print_exc()
        print("this is a fault of gan-sweep: please report the lines above", file=sys.stderr)
        sys.exit(EXIT_INTERNAL_ERROR)


def _show_warning(
    usual: Callable[..., None], message: Warning | str, category: type[Warning], *where: object
) -> None:
    """Print warnings for users as one line, and all others in Python's way."""
    if issubclass(category, DamagedLedgerWarning):
        print(f"warning: {message}", file=sys.stderr)
    else:
        usual(message, category, *where)
