"""Where the files of a sweep lie."""

import os
from itertools import count
from pathlib import Path

from sweeps.errors import SweepError, SweepExistsError
from sweeps.record.seals import COPY, LEDGER


def checkpoint_file(folder: Path, trial_id: str) -> Path:
    """Return where the state of a trial that is not finished is kept."""
    return folder / "checkpoints" / f"{trial_id}.checkpoint"


def discard_checkpoints(folder: Path, trial_id: str) -> None:
    """Delete what is kept of the state of a trial: it has ended."""
    file = checkpoint_file(folder, trial_id)
    for generation in file.parent.glob(f"{file.name}*"):
        generation.unlink(missing_ok=True)


def weights_file(folder: Path, trial_id: str) -> Path:
    """Return where the generator of a trial that was trained to its end is kept."""
    return folder / "weights" / f"{trial_id}.safetensors"


def samples_file(folder: Path, trial_id: str, step: int) -> Path:
    """Return where the sample grid of a trial's report is kept."""
    return folder / "samples" / trial_id / f"{step}.png"


def report_file(folder: Path) -> Path:
    """Return where the report page of a sweep is written."""
    return folder / "report.html"


def sweep_names(results: Path) -> list[str]:
    """Return the names of the sweeps in ``results``, sorted."""
    return sorted({path.parent.name for file in (LEDGER, COPY) for path in results.glob(f"*/{file}")})


def check_results(results: Path, name: str | None) -> None:
    """Check, writing nothing, that a sweep can be kept in ``results``, under ``name`` where one is given.

    Raises:
        SweepExistsError: The name is taken.
        SweepError: The folder cannot be made or written, or its path cannot stand in a database's address.
    """
    if set(str(results.absolute())) & set("?#%"):
        raise SweepError(
            f"{results}: a path with ?, # or % cannot hold databases; choose another: --results DIR"
        )
    there = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise SweepError(
            f"{results} cannot be written: {there} is no writable folder; choose another: --results DIR"
        )
    if name is not None and (results / name).exists() and not _is_left(results / name):
        raise SweepExistsError(
            f"there is a sweep {name!r} in {results} already: type gan-sweep resume {name} to go on with it,"
            f" choose another --name, or leave --name out and the next free name is taken"
        )


def _is_left(folder: Path) -> bool:
    """Return whether a folder is all that a command left which was killed before there was a ledger."""
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return folder.is_dir() and names <= {"running.lock", "ledger.draft", "ledger.draft-journal"}


def create_sweep_folder(results: Path, name: str, *, exact: bool) -> Path:
    """Make the folder of a new sweep, under the next free name unless it must be ``exact``.

    Raises:
        SweepExistsError: The exact name is taken.
        SweepError: The folder cannot be written.
    """
    check_results(results, name if exact else None)
    results.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = results / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(exist_ok=exact and _is_left(folder))
        except FileExistsError:
            continue
        for name_within in ("samples", "checkpoints", "weights"):
            (folder / name_within).mkdir(exist_ok=True)
        break
    return folder
