"""Keep the versions of the code that the trials of a sweep are trained with."""

from collections.abc import Mapping
from typing import Any

from sweeps.cluster.code import Code, code_of
from sweeps.cluster.folder_files import check_size
from sweeps.driver.request import Request
from sweeps.record.code import CODE, changes_of_code, check_code, in_short, is_of_users, kept_version
from sweeps.record.ledger import Ledger
from sweeps.record.reading import Record, read_facts
from sweeps.spec.model import SweepSpec


def checked_code(spec: SweepSpec, request: Request, record: Record | None, subject: str) -> Code:
    """Return the code of users that the trials of a sweep import.

    Args:
        spec: The sweep.
        request: Whether the user accepts changed code.
        record: The record of the trials so far; None for a new sweep.
        subject: What the user asked for, for messages: ``resume mine``.

    Raises:
        SweepError: The code has changed since the last trials, or its files are too large to keep a copy.
    """
    code = code_of(spec.import_paths, [request.results])
    for folder in code.folders:
        check_size(folder, [file for file in code.files.values() if file.is_relative_to(folder)])
    if record and not request.changed_code:
        check_code(subject, record.folder, record.facts, code.version())
    return code


class CodeVersions:
    """The versions of a sweep's code, and the one that each trial is trained with.

    Args:
        ledger: The record of the sweep, in which a new version is recorded at once.
        code: The code at the start of the command.
    """

    def __init__(self, ledger: Ledger, code: Code) -> None:
        self._ledger = ledger
        self._code = code
        self._versions: list[dict[str, Any]] = read_facts(ledger.folder).get(CODE, [])
        version = code.version()
        is_new = not self._versions or changes_of_code(self._versions[-1], version)
        if is_new and (self._versions or is_of_users(version)):
            self._add(version)

    def number_of(self, files: Mapping[str, str]) -> tuple[int, str | None]:
        """Return the number of the version that a worker has imported.

        Args:
            files: The hashes of its files, by name, from the moment at which the worker started.

        Returns:
            The number, from 1; and what a user should know if files have changed since the command started,
            at the first such worker.
        """
        newest = self._versions[-1]
        version = {"files": dict(files), "packages": newest["packages"]}
        for number in range(len(self._versions), 0, -1):
            if not changes_of_code(self._versions[number - 1] | {"packages": newest["packages"]}, version):
                return number, None
        changed = in_short(changes_of_code(newest, version))
        self._add(version)
        return len(self._versions), f"trains with changed code: {changed}"

    def _add(self, version: Mapping[str, Any]) -> None:
        """Record a new version, and copy its files."""
        of_it = {
            name: file
            for name, file in self._code.files.items()
            if name in version["files"] and file.is_file()
        }
        kept = kept_version(len(self._versions) + 1, version, of_it, self._ledger.folder)
        self._versions = [*self._versions, kept]
        self._ledger.describe({CODE: self._versions})
