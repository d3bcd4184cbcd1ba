"""The commands that stop and delete sweeps."""

from typing import Annotated

import typer

from sweeps.cli.options import Name, Results
from sweeps.words import RESULTS, results_option


def stop_command(name: Name, results: Results = RESULTS) -> None:
    """Stop a running sweep as Ctrl-C does: what was trained is kept, and resume continues it."""
    from rich.console import Console

    from sweeps.driver.managing import stop_sweep
    from sweeps.record.reading import sweep_folder

    with Console(stderr=True).status(f"Stopping {name}"):
        for _ in stop_sweep(sweep_folder(name, results)):
            pass
    print(f"{name} is stopped; to continue: gan-sweep resume {name}{results_option(results)}")


def rm_command(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    results: Results = RESULTS,
) -> None:
    """Delete a sweep: its record, samples, checkpoints, generators and report."""
    from sweeps.driver.managing import remove_sweep
    from sweeps.record.locks import is_run
    from sweeps.record.reading import sweep_folder

    folder = sweep_folder(name, results)
    if is_run(folder):
        raise typer.BadParameter(
            f"{name} is running; stop it first: gan-sweep stop {name}{results_option(results)}"
        )
    if not yes:
        typer.confirm(f"Delete {folder} and everything in it? Nothing can bring it back.", abort=True)
    remove_sweep(folder)
    print(f"{folder} is deleted. MLflow keeps its runs, in the experiment {name!r}: delete them there.")
