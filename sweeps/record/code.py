"""Record the code of users that trials were trained with, and find out whether it has changed.

The fact ``code`` is a list of versions, the newest last. A version has ``files``, the SHA-256 of each file by
its name, ``packages``, the versions of installed packages, ``at``, and ``folder``, where a copy of the files
lies in the sweep's folder. The place of a trial has the number of its version, from 1.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any

from sweeps.errors import SweepError

CODE = "code"
"""The fact of a sweep with the versions of its code, and the name of the folder with their copies."""

_N_NAMED = 5


def changes_of_code(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how a version of code differs from an earlier one, each file or package as a part of a message.

    >>> changes_of_code({"files": {"a.py": "1"}, "packages": {}}, {"files": {"b.py": "2"}, "packages": {}})
    ['a.py is missing', 'b.py is new']
    """
    found = []
    for kind in ("files", "packages"):
        before, after = then[kind], now[kind]
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                found.append(f"{name} is missing")
            elif name not in before:
                found.append(f"{name} is new")
            elif before[name] != after[name]:
                what = "differs" if kind == "files" else f"was {before[name]}, it is {after[name]}"
                found.append(f"{name} {what}")
    return found


def check_code(subject: str, folder: Path, facts: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that the code of a sweep is that of the sweep's newest trials.

    Args:
        subject: What the user asked for, for the message: ``resume mine``.
        folder: The sweep's folder.
        facts: The facts of the sweep. The record of an earlier version names no code, so that any code is
        accepted.
        now: The version of the code that new trials would be trained with.

    Raises:
        SweepError: The code has changed; the message names each file, and says what to type.
    """
    versions = facts.get(CODE, [])
    changes = changes_of_code(versions[-1], now) if versions else []
    if changes:
        copy = folder / versions[-1]["folder"]
        raise SweepError(
            f"{subject}: the code has changed since the last trials were trained: {in_short(changes)}; new"
            f" trials would not be comparable with them. Restore the code from {copy}, or add --changed-code"
            " (in Python: changed_code=True) to train with the changed code"
        )


def in_short(names: Sequence[str]) -> str:
    """Return names for a message; of many, the first ones.

    >>> in_short(["a.py differs", "b.py is new"])
    'a.py differs, b.py is new'
    """
    rest = len(names) - _N_NAMED
    return ", ".join(names[:_N_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def versions_in(row: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the versions of the code that a trial was trained with, in their order.

    Args:
        row: The trial's row of the record. The list is empty without users' code, or for the record of an
            earlier version.
    """
    return [*dict.fromkeys(place["code"] for place in row["places"] if "code" in place)]


def warnings_of_code(facts: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each changed version of the code, with the trials that it trained.

    Args:
        facts: The facts of the sweep.
        rows: The trials of the search and of the confirmation.
    """
    found, trials = [], [(row["trial_id"], versions_in(row)) for row in rows]
    versions = facts.get(CODE, [])
    for number, (before, version) in enumerate(pairwise(versions), 2):
        of_it = [trial for trial, its in trials if number in its]
        if of_it:
            found.append(
                f"the code changed during the sweep: {in_short(changes_of_code(before, version))};"
                f" {in_short(of_it)} trained with the changed code, {version['folder']}"
            )
    return found


def is_of_users(version: Mapping[str, Any]) -> bool:
    """Return whether a version has any code: a sweep of gan_core's own parts has none."""
    return bool(version["files"] or version["packages"])


def kept_version(
    number: int, version: Mapping[str, Any], files: Mapping[str, Path], folder: Path
) -> dict[str, Any]:
    """Copy the files of a new version into the sweep's folder, and return the version for the record.

    Args:
        number: Its number, from 1.
        version: The version.
        files: Its files, by name.
        folder: The sweep's folder.
    """
    place = f"{CODE}/{number}"
    shutil.rmtree(folder / place, ignore_errors=True)
    for name, file in files.items():
        copy = folder / place / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return {"at": time(), "folder": place, **version}
