"""Find the code of a user's own components, and let workers import it."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from gan_core.imports import allow_imports, imports_are_allowed


def users_code(import_paths: Iterable[str]) -> set[Path]:
    """Return the modules and packages of components that are not installed, and what they import beside them.

    Args:
        import_paths: The components, each as ``MODULE:NAME``.
    """
    names = {path.partition(":")[0].partition(".")[0] for path in import_paths} - sys.stdlib_module_names
    folders = {path.parent for name in names for path in _packages(name)}
    imported = {name.partition(".")[0] for name in sys.modules}
    return {path for name in imported for path in _packages(name) if path.parent in folders}


def import_folders() -> list[str] | None:
    """Return the folders that users' components are imported from; None if imports are not allowed."""
    return [str(Path(folder).absolute()) for folder in sys.path] if imports_are_allowed() else None


def use_import_folders(folders: Iterable[str] | None) -> None:
    """Allow a worker to import components from these folders, after all others; from none if it is None."""
    allow_imports(folders is not None)
    sys.path.extend(folder for folder in folders or () if folder not in sys.path)


def _packages(name: str) -> list[Path]:
    """Return the paths of a module or package, unless it is built in or installed in site-packages."""
    with suppress(ValueError, ImportError):
        spec = find_spec(name)
        places = (spec.submodule_search_locations or [spec.origin or ""]) if spec else []
        paths = [Path(place) for place in places]
        return [path for path in paths if path.suffix in {"", ".py"} and path.exists() and _is_own(path)]
    return []


def _is_own(path: Path) -> bool:
    return not {"site-packages", "dist-packages"} & set(path.parts)
