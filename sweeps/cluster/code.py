"""Find the files that a user's code consists of: the modules of import paths, and what these import."""

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sweeps.cluster.folder_files import files_of

_OURS = {"gan_core", "sweeps"}
_INSTALLED = {"site-packages", "dist-packages"}
_COMPUTED = {
    *("__import__", "import_module", "iter_modules", "run_module", "run_path"),
    *("spec_from_file_location", "walk_packages"),
}
"""Functions that import a module by a name that may be computed."""


@dataclass(frozen=True)
class Code:
    """The code of users that a sweep imports.

    Args:
        files: The files, by their path from the folder that they are imported from: ``nets/blocks.py``.
        packages: The versions of the installed packages that import paths name.
        folders: The folders that the files are imported from.
    """

    files: Mapping[str, Path]
    packages: Mapping[str, str]
    folders: tuple[Path, ...]

    def version(self) -> dict[str, Any]:
        """Return what identifies this version of the code: the SHA-256 of each file, and the packages."""
        hashes = {name: sha256(file.read_bytes()).hexdigest() for name, file in self.files.items()}
        return {"files": hashes, "packages": dict(self.packages)}


def code_of(import_paths: Iterable[str], besides: Collection[Path] = ()) -> Code:
    """Return the code that import paths lead to, without running it.

    This is each named module, and each module that one of them imports, directly or through others, also
    inside of functions. Installed packages and the standard library are not searched. If a module imports by
    a computed name, for example with ``importlib.import_module``, all Python files of its folder count.

    Args:
        import_paths: The training loop, dataset, extractor and components, each as ``MODULE:NAME``.
        besides: Folders that hold no code: the folder of all sweeps.
    """
    invalidate_caches()
    search = _Search(besides)
    named = sorted({path.partition(":")[0] for path in import_paths})
    for name in named:
        search.add(name)
    tops = {name.partition(".")[0] for name in named}
    packages = {top: _version(top) for top in sorted(tops) if _is_installed(top)}
    return Code(dict(sorted(search.files.items())), packages, tuple(sorted(search.folders)))


class _Search:
    """A search for the modules that modules import.

    Attributes:
        files: The files found, by their path from the folder that they are imported from.
        folders: Those folders.
    """

    def __init__(self, besides: Collection[Path]) -> None:
        self.files: dict[str, Path] = {}
        self.folders: set[Path] = set()
        self._besides = besides
        self._names: set[str] = set()

    def add(self, name: str) -> None:
        """Add a module, the packages around it, and what they import; nothing if it is not a user's own."""
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self._names:
                continue
            self._names.add(name)
            for its_name, module in _modules(name):
                waiting += self._add_module(its_name, module)

    def _add_module(self, name: str, module: ModuleSpec) -> list[str]:
        """Add the file of a module, and return the names of the modules that the file imports."""
        file = Path(module.origin or "").absolute()
        if not module.has_location or not file.is_file():
            return []
        is_package = module.submodule_search_locations is not None
        folder = file.parents[name.count(".") + is_package]
        if (path := file.relative_to(folder).as_posix()) in self.files:
            return []
        self.files[path] = file
        self.folders.add(folder)
        imported = [*_imports(file, name if is_package else name.rpartition(".")[0])]
        if None in imported:
            self._add_all(folder)
        return [name for name in imported if name]

    def _add_all(self, folder: Path) -> None:
        for file in files_of(folder, self._besides):
            if file.suffix == ".py":
                self.files.setdefault(file.relative_to(folder).as_posix(), file)


def _modules(name: str) -> Iterator[tuple[str, ModuleSpec]]:
    """Yield the modules on the way to a dotted name, from the top; none if they are not a user's own.

    The name may end with an attribute of a module.
    """
    top, *parts = name.split(".")
    module = None if top in _OURS else _own_spec(top)
    while module is not None:
        yield top, module
        if not parts or module.submodule_search_locations is None:
            return
        part = parts.pop(0)
        top, module = f"{top}.{part}", PathFinder.find_spec(part, [*module.submodule_search_locations])


def _own_spec(top: str) -> ModuleSpec | None:
    """Return where a top-level module lies, unless it is installed or part of Python."""
    spec = None if top in sys.stdlib_module_names else _spec(top)
    return None if spec is None or _lies_in_site_packages(spec) else spec


def _spec(top: str) -> ModuleSpec | None:
    with suppress(ValueError, ImportError, AttributeError):
        return find_spec(top)
    return None


def _lies_in_site_packages(spec: ModuleSpec) -> bool:
    places = [*(spec.submodule_search_locations or []), spec.origin or ""]
    return any(_INSTALLED & {*Path(place).parts} for place in places)


def _is_installed(top: str) -> bool:
    spec = None if top in _OURS | sys.stdlib_module_names else _spec(top)
    return spec is not None and _lies_in_site_packages(spec)


def _version(top: str) -> str:
    """Return the versions of the distributions that installed a top-level module."""
    return ", ".join(sorted({version(each) for each in packages_distributions().get(top, [])})) or "unknown"


def _imports(file: Path, package: str) -> Iterator[str | None]:
    """Yield the names of the modules that a file may import; None for a name that is computed.

    Args:
        file: A file of Python code; any other file imports nothing.
        package: The package that relative imports start from.
    """
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            parts = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*parts, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in _COMPUTED:
            yield _written_name(node)


def _written_name(call: ast.Call) -> str | None:
    """Return the only argument of a call if it is written out as the name of a module."""
    given = call.args[0] if len(call.args) == 1 and not call.keywords else None
    name = given.value if isinstance(given, ast.Constant) else None
    return name if isinstance(name, str) and "/" not in name else None


def _called(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None
