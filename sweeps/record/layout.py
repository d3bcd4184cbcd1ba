"""Where the files of a sweep lie."""

import os
from itertools import count
from pathlib import Path

from sweeps.errors import SweepError, SweepExistsError

LEDGER, COPY = "ledger.db", "ledger.copy.db"
"""The record of a sweep, and its copy."""

LOG_FILE = "sweep.log"
"""The events of a sweep."""


def checkpoint_file(folder: Path, trial_id: str) -> Path:
    """Return the checkpoint of a trial that has not ended."""
    return folder / "checkpoints" / f"{trial_id}.checkpoint"


def discard_checkpoints(folder: Path, trial_id: str) -> None:
    """Delete the checkpoints of a trial that has ended."""
    file = checkpoint_file(folder, trial_id)
    for generation in file.parent.glob(f"{file.name}*"):
        generation.unlink(missing_ok=True)


def weights_file(folder: Path, trial_id: str) -> Path:
    """Return the file of the generator of a completed trial."""
    return folder / "weights" / f"{trial_id}.safetensors"


def state_file(folder: Path, trial_id: str) -> Path:
    """Return the file of the last state of a completed trial, of a training loop that yields no generator."""
    return folder / "weights" / f"{trial_id}.state"


def is_kept(folder: Path, trial_id: str) -> bool:
    """Return whether a sweep keeps the generator of a trial, or the state of its training loop."""
    return weights_file(folder, trial_id).exists() or state_file(folder, trial_id).exists()


def discard_kept(folder: Path, trial_id: str) -> None:
    """Delete the generator of a trial, or the state of its training loop."""
    weights_file(folder, trial_id).unlink(missing_ok=True)
    state_file(folder, trial_id).unlink(missing_ok=True)


def samples_file(folder: Path, trial_id: str, step: int) -> Path:
    """Return the file of the sample grid of a trial's report."""
    return folder / "samples" / trial_id / f"{step}.png"


def report_file(folder: Path) -> Path:
    """Return the file of a sweep's report page."""
    return folder / "report.html"


def worker_log_file(folder: Path, trial_id: str) -> Path:
    """Return the file of what the workers of a failed trial printed."""
    return folder / "logs" / f"{trial_id}.log"


def sweep_names(results: Path) -> list[str]:
    """Return the names of the sweeps in ``results``, sorted.

    Raises:
        SweepError: The folder cannot be listed.
    """
    try:
        folders = list(results.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SweepError(
            f"{results} cannot be listed ({error.strerror}): choose another folder, --results DIR, or ask the"
            " owner to share this one"
        ) from None
    return sorted(
        folder.name for folder in folders if any(os.access(folder / file, os.F_OK) for file in (LEDGER, COPY))
    )


def check_results(results: Path, name: str | None) -> None:
    """Check, without writing, that a sweep can be kept in ``results``, under ``name`` if one is given.

    Raises:
        SweepExistsError: The name is taken.
        SweepError: The folder cannot be made or written, or its path has a character that database URLs
        forbid.
    """
    if set(str(results.absolute())) & set("?#%"):
        raise SweepError(
            f"{results}: a path with ?, # or % cannot hold databases; choose another: --results DIR"
        )
    parent = next(
        path for path in (results.absolute(), *results.absolute().parents) if os.access(path, os.F_OK)
    )
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise SweepError(
            f"{results} cannot be written: {parent} is no writable folder; choose another: --results DIR"
        )
    if name is not None and (results / name).exists() and not _is_left_over(results / name):
        raise SweepExistsError(
            f"there is a sweep {name!r} in {results} already: type gan-sweep resume {name} to continue it,"
            f" choose another --name, or leave --name out and the next free name is taken"
        )


def _is_left_over(folder: Path) -> bool:
    """Return whether a folder holds only what a command wrote that was killed before it made the record."""
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return folder.is_dir() and names <= {"running.lock", "ledger.draft", "ledger.draft-journal", LOG_FILE}


def create_sweep_folder(results: Path, name: str, *, exact: bool) -> Path:
    """Make the folder of a new sweep; unless the name is ``exact``, a taken one gets the next free number.

    Raises:
        SweepExistsError: The exact name is taken.
        SweepError: The folder cannot be written.
    """
    check_results(results, name if exact else None)
    results.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = results / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(exist_ok=exact and _is_left_over(folder))
        except FileExistsError:
            continue
        for name_within in ("samples", "checkpoints", "weights"):
            (folder / name_within).mkdir(exist_ok=True)
        break
    return folder
