"""Send the code of users to the nodes of a cluster, and let workers import it."""

import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from tempfile import TemporaryDirectory

from gan_core.imports import allow_imports, imports_are_allowed, trusts_some
from sweeps.cluster.code import Code
from sweeps.cluster.folder_files import check_size, files_of

SHIPPED = "gan_sweep_users_code"
"""The package that Ray carries to the nodes: a folder for each folder that users' code is imported from.

The folders of users do not lie on the search path of the nodes themselves, because Ray puts what it carries
first: a user's ``random.py`` would hide Python's.
"""


@contextmanager
def packed(code: Code, besides: Collection[Path] = ()) -> Iterator[list[Path]]:
    """Yield the packages that carry users' code to the nodes; none if there is no such code.

    The package holds the files of each folder that the code is imported from, so that modules which are
    imported later, and files beside them, are there as well. ``.gitignore`` files choose among them.

    Args:
        code: The code of users.
        besides: Folders that hold no code: the folder of all sweeps.

    Raises:
        SweepError: A folder has too many files, or too many bytes.
    """
    if not code.folders:
        yield []
        return
    with TemporaryDirectory(prefix="gan-sweep-") as temporary:
        package = Path(temporary) / SHIPPED
        for number, folder in enumerate(code.folders):
            needed = {file for file in code.files.values() if file.is_relative_to(folder)}
            files = {*files_of(folder, besides), *needed}
            check_size(folder, files)
            for file in files:
                copy = package / str(number) / file.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        yield [package]


def import_folders() -> list[str] | None:
    """Return the folders that users' components are imported from; None if imports are not allowed."""
    return (
        [str(Path(folder).absolute()) for folder in sys.path]
        if imports_are_allowed() or trusts_some()
        else None
    )


def use_import_folders(folders: Iterable[str] | None) -> None:
    """Allow a worker to import components from these folders, after all others; from none if it is None.

    The folders that were sent to this node come before them.
    """
    allow_imports(folders is not None)
    for folder in (*_sent_folders(), *folders) if folders is not None else ():
        if folder not in sys.path:
            sys.path.append(folder)


def _sent_folders() -> list[str]:
    """Return the folders of users' code that Ray has brought to this node."""
    package = PathFinder.find_spec(SHIPPED)
    places = package and package.submodule_search_locations
    return [str(folder) for place in places or () for folder in sorted(Path(place).iterdir())]
