"""Find the code of a user's own components, which is shipped to the workers of a cluster."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path


def users_code(import_paths: Iterable[str]) -> set[Path]:
    """Return the modules and packages of components that are not installed, and what they import beside them.

    Args:
        import_paths: The components, each as ``MODULE:NAME``.
    """
    names = {path.partition(":")[0].partition(".")[0] for path in import_paths} - sys.stdlib_module_names
    folders = {path.parent for name in names for path in _packages(name)}
    imported = {name.partition(".")[0] for name in sys.modules}
    return {path for name in imported for path in _packages(name) if path.parent in folders}


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
