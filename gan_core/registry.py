"""Components by name: one file in a package, one decorator; or a user's own, by import path."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Generic, TypeVar, cast

from gan_core.errors import ImportPathError, ImportsNotAllowedError, UnknownNameError, closest, in_one_line

T = TypeVar("T")

IMPORT_PATH = "MODULE:NAME"


class Registry(Generic[T]):
    """The components of one kind, each in a module of ``package`` that bears its name.

    The name ``gradient-penalty`` is the module ``gradient_penalty``; a module whose name starts with ``_``
    is none. Names are read from the files, and a module is imported when its component is asked for, so
    that checking a name imports no torch.

    A user's own component is named by its import path: ``mypackage.nets:MyPair`` is ``MyPair`` of the
    module ``mypackage.nets``. To check one is to import it.

    Args:
        kind: What the components are, for messages: ``"loss"``.
        package: The package that holds them: ``"gan_core.losses"``.
        base: The name of the class in ``package`` that they are subclasses of; None if any callable will do.
        forms: What else may stand where a name does, for messages.
    """

    def __init__(self, kind: str, package: str, base: str | None = None, forms: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self._package = package
        self._base = base
        self._forms = (*forms, IMPORT_PATH)
        self._components: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a component as ``name``.

        Raises:
            ValueError: The name is taken.
        """

        def decorate(component: T) -> T:
            if name in self._components:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._components[name] = component
            return component

        return decorate

    def names(self) -> list[str]:
        """Return the names of all components, sorted."""
        spec = find_spec(self._package)
        locations = spec.submodule_search_locations if spec else None
        modules = [module.name for module in iter_modules(locations)]
        return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))

    def check(self, name: str) -> str:
        """Return ``name`` where a component has it, or where it is the import path of one.

        Raises:
            UnknownNameError: No component has this name.
            ImportPathError: It is an import path, and what is there is no component of this kind.
        """
        if is_import_path(name):
            self._imported(name)
        elif name not in self.names():
            raise UnknownNameError(self.kind, name, [*self.names(), *self._forms])
        return name

    def get(self, name: str) -> T:
        """Return the component called ``name``, or the one at that import path.

        Raises:
            UnknownNameError: There is none.
            ImportPathError: It is an import path, and what is there is no component of this kind.
        """
        if is_import_path(name):
            return self._imported(name)
        module = f"{self._package}.{self.check(name).replace('-', '_')}"
        import_module(module)
        if name not in self._components:
            raise ImportPathError(f"the module {module} registers no {self.kind} {name!r}")
        return self._components[name]

    def _imported(self, path: str) -> T:
        component = import_attribute(path)
        misfit = self._misfit(component)
        if misfit:
            raise ImportPathError(f"{path} is no {self.kind}: {misfit}")
        return cast("T", component)

    def _misfit(self, component: object) -> str | None:
        """Return why ``component`` is none of this kind."""
        found = f"what is there is of type {type(component).__name__}"
        if self._base is None:
            return None if callable(component) else f"it must be callable, {found}"
        base, needed = getattr(import_module(self._package), self._base), f"{self._package}.{self._base}"
        if not isinstance(component, type):
            return f"it must be a subclass of {needed}, {found}"
        if not issubclass(component, base):
            return f"the class must be a subclass of {needed}"
        lacking = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        return f"the class must define every method of {needed}, it lacks {lacking}" if lacking else None


def is_import_path(name: str) -> bool:
    """Return whether ``name`` is meant as an import path: no registered name has a colon."""
    return ":" in name


class _Imports:
    """Whether this process imports what an import path names.

    A program that names a component of its own trusts it. One that reads names from files of somebody else's
    does not, until it is told to.
    """

    are_allowed = True


def imports_are_allowed() -> bool:
    """Return whether this process imports components by their paths."""
    return _Imports.are_allowed


def allow_imports(allowed: bool) -> None:  # noqa: FBT001 - the one thing that is said
    """Say whether this process imports components by their paths from now on; at first it does."""
    _Imports.are_allowed = allowed


@contextmanager
def imports(*, allowed: bool) -> Iterator[None]:
    """Import components by their paths, or not, until the end of the block."""
    before = imports_are_allowed()
    allow_imports(allowed)
    try:
        yield
    finally:
        allow_imports(before)


def import_attribute(path: str) -> object:
    """Return the attribute that ``module.path:Attribute`` names, importing its module.

    Raises:
        ImportsNotAllowedError: This process imports none.
        ImportPathError: It is no import path, there is no such module or attribute, or the module fails.
    """
    module_name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise ImportPathError(
            f"{path!r} is no import path: type {IMPORT_PATH}, such as mypackage.nets:MyPair"
        )
    if not imports_are_allowed():
        raise ImportsNotAllowedError(path)
    module = _import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        where = f" ({module.__file__})" if getattr(module, "__file__", None) else ""
        question = closest(attribute, vars(module))
        raise ImportPathError(f"the module {module_name}{where} has no {attribute!r}{question}") from None


def _import_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise ImportPathError(
                f"there is no module {missing!r}: it must be installed, or lie in the directory where Python"
                f" looks first, which is {Path(sys.path[0]).absolute()}"
            ) from None
        raise ImportPathError(f"importing the module {name} raised {in_one_line(error)}") from error
