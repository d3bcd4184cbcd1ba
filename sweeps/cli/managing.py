"""The commands that stop and delete sweeps, and that show and empty the cache."""

from typing import Annotated

import typer

from sweeps.cli.options import Json, Name, Results
from sweeps.words import RESULTS, counted, json_text, megabytes, results_option


def stop_command(name: Name, results: Results = RESULTS) -> None:
    """Stop a running sweep, as Ctrl-C does.

    All results are kept, and gan-sweep resume NAME continues the sweep.
    """
    from rich.console import Console

    from sweeps.driver.managing import stop_sweep
    from sweeps.record.reading import sweep_folder

    with Console(stderr=True).status(f"Stopping {name}"):
        for _ in stop_sweep(sweep_folder(name, results)):
            pass
    print(f"{name} is stopped; to continue: gan-sweep resume {name}{results_option(results)}")


def rm_command(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    results: Results = RESULTS,
) -> None:
    """Delete a sweep: its record, samples, checkpoints, generators and report.

    The command asks for confirmation. MLflow keeps the runs of the sweep.
    """
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
    remaining = remove_sweep(folder)
    print(f"{folder} is deleted. MLflow keeps its runs, in the experiment {name!r}: delete them there.")
    if remaining:
        print(
            f"Checkpoints of its unfinished trials remain in {remaining}: delete them, unless a copy of the"
            " sweep is to resume from them."
        )


def cache_command(
    clear: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Delete the decoded images and the trained classifiers. By default, the command only shows"
            " them.",
        ),
    ] = False,
    json_: Json = False,
) -> None:
    """Show or delete the decoded images and trained classifiers in the cache; downloaded datasets stay."""
    from gan_core.cache import CLASSIFIERS, FOLDERS, cache_contents, cache_folder, clear_cache
    from gan_core.datasets import decoded_folders

    if clear:
        freed = clear_cache()
        print(json_text({"freed_bytes": freed}) if json_ else f"{cache_folder()}: {megabytes(freed)} deleted")
        return
    contents, decoded = cache_contents(), decoded_folders()
    if json_:
        print(json_text({"folder": str(cache_folder()), "bytes": contents, "decoded": decoded}))
        return
    print(f"{cache_folder()}: {megabytes(sum(contents.values()))}")
    for each in decoded:
        size = f"{each['image_size']} px, {counted(each['channels'], 'channel')}"
        print(f"  images of {each['folder']}: {each['images']:,} of {size}, {megabytes(each['bytes'])}")
    for name in sorted(contents.keys() - {FOLDERS}):
        stays = "" if name == CLASSIFIERS else "; --clear leaves it"
        print(f"  {name}: {megabytes(contents[name])}{stays}")
