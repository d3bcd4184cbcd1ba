"""Imports by import path, which a process can forbid. This module imports nothing heavy."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from gan_core.errors import ImportPathError, ImportsNotAllowedError, closest, in_one_line

IMPORT_PATH = "MODULE:NAME"

SENT = "sent_by_value_"
"""The beginning of the names of modules that exist in one process and its workers only."""


def is_import_path(name: str) -> bool:
    """Return whether ``name`` is an import path: registered names contain no colon."""
    return ":" in name


class _Imports:
    """Whether this process imports components by import path.

    A program that names its own components trusts them. A program that reads names from someone else's files
    must not import them before its user allows it.
    """

    are_allowed = True
    trusted: ClassVar[set[str]] = set()


def imports_are_allowed() -> bool:
    """Return whether this process imports components by import path."""
    return _Imports.are_allowed


def allow_imports(allowed: bool) -> None:  # noqa: FBT001 - the only argument
    """Allow or forbid this process to import components by import path; the default is to allow it."""
    _Imports.are_allowed = allowed


def trust(path: str) -> None:
    """Let this process import a path although others are forbidden: its user has passed the object."""
    _Imports.trusted.add(path)


def trusts_some() -> bool:
    """Return whether this process trusts an import path."""
    return bool(_Imports.trusted)


@contextmanager
def imports(*, allowed: bool) -> Iterator[None]:
    """Allow or forbid imports by import path inside the block."""
    before = imports_are_allowed()
    allow_imports(allowed)
    try:
        yield
    finally:
        allow_imports(before)


def import_attribute(path: str) -> object:
    """Import the module of ``module.path:Attribute`` and return the attribute.

    Raises:
        ImportsNotAllowedError: This process does not allow such imports.
        ImportPathError: The import path is malformed, its module or attribute is missing, or importing fails.
    """
    module_name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise ImportPathError(
            f"{path!r} is not an import path: type {IMPORT_PATH}, such as mypackage.nets:MyPair"
        )
    if module_name.startswith(SENT) and find_spec(module_name) is None:
        raise ImportPathError(
            "this training loop was a function of a notebook or a script, and exists only in the process that"
            " ran the sweep: put the function and its config into a module, for example mine.py, and run a"
            " new sweep with train: mine:train"
        )
    if not (imports_are_allowed() or path in _Imports.trusted):
        raise ImportsNotAllowedError(path)
    module = _import_module(module_name, attribute)
    try:
        return getattr(module, attribute)
    except AttributeError:
        where = f" ({module.__file__})" if getattr(module, "__file__", None) else ""
        suggestion = closest(attribute, vars(module)) or _shadowed(module_name)
        raise ImportPathError(f"the module {module_name}{where} has no {attribute!r}{suggestion}") from None


def _import_module(name: str, attribute: str) -> ModuleType:
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing == name and name.endswith(".py"):
            meant = f"{name.removesuffix('.py')}:{attribute}"
            raise ImportPathError(f"there is no module {missing!r}; did you mean {meant!r}?") from None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise ImportPathError(
                f"there is no module {missing!r}: install it, or put it in a folder of Python's search path,"
                f" such as {Path(sys.path[-1]).absolute()}{_shadowed(name)}"
            ) from None
        raise ImportPathError(f"importing the module {name} raised {in_one_line(error)}") from error


def _shadowed(name: str) -> str:
    """Return the end of a message if an imported module hides a file of the same name; else nothing."""
    top = name.partition(".")[0]
    imported = getattr(sys.modules.get(top), "__file__", None)
    if imported is None:
        return ""
    places = (Path(folder) / file for folder in sys.path for file in (f"{top}.py", f"{top}/__init__.py"))
    hidden = next((file for file in places if file.exists() and not file.samefile(imported)), None)
    return f"; {imported} hides {hidden.absolute()}: rename that file or folder" if hidden else ""
