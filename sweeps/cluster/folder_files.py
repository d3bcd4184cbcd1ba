"""List the files of a folder of code, without those that ``.gitignore`` excludes."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from sweeps.errors import SweepError
from sweeps.words import megabytes

MOST_BYTES = 50_000_000
"""The most that a folder of code may have."""

MOST_FILES = 20_000
_N_LARGEST = 3
_NEVER = {
    *("__pycache__", "node_modules", "site-packages", "dist-packages"),
    *("mlruns", "mlartifacts", "mlflow.db"),
}
_MARKS = ("pyvenv.cfg", "ledger.db")
"""The files that make a folder a virtual environment, or the folder of a sweep."""


def files_of(folder: Path, besides: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, by name.

    What ``.gitignore`` files exclude is left out, also by those of the folders above, up to the one with
    ``.git``. Hidden files, virtual environments, sweeps, what MLflow keeps, ``__pycache__`` and broken links
    are left out as well.

    Args:
        folder: The folder.
        besides: Files and folders to leave out.
    """
    top = folder.absolute()
    rules = [rule for above in reversed(_above(top)) for rule in _rules_in(above)]
    yield from _files(top, rules, {path.absolute() for path in besides})


def check_size(folder: Path, files: Collection[Path]) -> None:
    """Check that a folder of code is small enough to copy it.

    Raises:
        SweepError: Its files have too many bytes, or there are too many of them.
    """
    sizes = {file: file.stat().st_size for file in files}
    n_bytes = sum(sizes.values())
    if n_bytes <= MOST_BYTES and len(files) <= MOST_FILES:
        return
    largest = sorted(sizes, key=lambda file: -sizes[file])[:_N_LARGEST]
    named = ", ".join(f"{file.relative_to(folder)} ({megabytes(sizes[file])})" for file in largest)
    raise SweepError(
        f"{folder}, the folder of your code, has {len(files):,} files of {megabytes(n_bytes)}; allowed:"
        f" {MOST_FILES:,} files of {megabytes(MOST_BYTES)}; the largest are {named}: list in"
        f" {folder / '.gitignore'} what trials do not import, or move the code to a folder of its own"
    )


def _above(folder: Path) -> list[Path]:
    """Return the folders above one, up to that of its Git repository; none outside of a repository."""
    if (folder / ".git").exists():
        return []
    above = [*folder.parents]
    tops = [index for index, each in enumerate(above) if (each / ".git").exists()]
    return above[: tops[0] + 1] if tops else []


def _files(folder: Path, rules: list[tuple[Path, Any]], besides: Collection[Path]) -> Iterator[Path]:
    rules = [*rules, *_rules_in(folder)]
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        path = Path(entry.path)
        if path in besides or entry.name.startswith(".") or entry.name in _NEVER:
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_ignored(path, rules, is_folder=is_folder):
            continue
        if not is_folder:
            if entry.is_file():
                yield path
        elif os.access(path, os.R_OK | os.X_OK) and not any((path / mark).exists() for mark in _MARKS):
            yield from _files(path, rules, besides)


def _rules_in(folder: Path) -> list[tuple[Path, Any]]:
    """Return the rules of a folder's ``.gitignore``, each beside the folder."""
    file = folder / ".gitignore"
    if not file.is_file():
        return []
    from ray._private.thirdparty.pathspec import PathSpec

    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    rules = PathSpec.from_lines("gitwildmatch", lines).patterns
    return [(folder, rule) for rule in rules if rule.include is not None]


def _is_ignored(path: Path, rules: list[tuple[Path, Any]], *, is_folder: bool) -> bool:
    """Return whether the last rule that matches a path excludes it."""
    ignored = False
    for folder, rule in rules:
        name = f"{path.relative_to(folder).as_posix()}{'/' if is_folder else ''}"
        if rule.regex.match(name):
            ignored = bool(rule.include)
    return ignored
