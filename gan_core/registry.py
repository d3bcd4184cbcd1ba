"""Registries of components: packaged ones by name, users' own ones by import path."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Generic, TypeGuard, TypeVar, cast

from pydantic import BaseModel

from gan_core.component import Component, parameters_of
from gan_core.errors import ImportPathError, ImportsNotAllowedError, UnknownNameError, closest, in_one_line

T = TypeVar("T")

IMPORT_PATH = "MODULE:NAME"


class Registry(Generic[T]):
    """The components of one kind, each in the module of ``package`` that has its name.

    The component ``gradient-penalty`` is in the module ``gradient_penalty``; modules whose names start with
    ``_`` contain no components. The file names are the names, and :meth:`get` imports a module only when
    needed, so that checking a name does not import torch.

    An import path names a user's own component: ``mypackage.nets:MyPair`` is ``MyPair`` in the module
    ``mypackage.nets``. Checking an import path imports its module. A user's own class may have parameters
    (:class:`gan_core.component.Component`); a packaged component has none, because reading them would
    import torch.

    Args:
        kind: The kind of the components, for messages: ``"loss"``.
        package: The package of their modules: ``"gan_core.losses"``.
        base: The name of their base class in ``package``; None if any callable is a valid component.
        functions: Whether a callable that is not a class is a valid component, too.
        forms: Other allowed forms of a name, for messages.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        base: str | None = None,
        *,
        functions: bool = False,
        forms: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self._package = package
        self._base = base
        self._takes_functions = functions or base is None
        self._forms = (*forms, IMPORT_PATH)
        self._components: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a component as ``name``.

        Raises:
            ValueError: The name is already registered, or the component has parameters.
        """

        def decorate(component: T) -> T:
            if name in self._components:
                raise ValueError(f"{self.kind} {name!r} is already registered")
            if _has_parameters(component) and parameters_of(component).model_fields:
                raise ValueError(f"{self.kind} {name!r}: a packaged component has no parameters")
            self._components[name] = component
            return component

        return decorate

    def names(self) -> list[str]:
        """Return the sorted names of all components."""
        spec = find_spec(self._package)
        locations = spec.submodule_search_locations if spec else None
        modules = [module.name for module in iter_modules(locations)]
        return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))

    def check(self, name: str) -> str:
        """Return ``name`` if it is the name or the import path of a component.

        Raises:
            UnknownNameError: No component has this name.
            ImportPathError: The import path does not lead to a component of this kind.
        """
        if is_import_path(name):
            self._imported(name)
        elif name not in self.names():
            raise UnknownNameError(self.kind, name, [*self.names(), *self._forms])
        return name

    def get(self, name: str) -> T:
        """Return the component with this name or import path.

        Raises:
            UnknownNameError: No component has this name.
            ImportPathError: The import path does not lead to a component of this kind.
        """
        if is_import_path(name):
            return self._imported(name)
        module = f"{self._package}.{self.check(name).replace('-', '_')}"
        import_module(module)
        if name not in self._components:
            raise ImportPathError(f"the module {module} does not register the {self.kind} {name!r}")
        return self._components[name]

    def parameters(self, name: str) -> type[BaseModel]:
        """Return the model of the parameters of the component with this name or import path.

        Raises:
            UnknownNameError: No component has this name.
            ImportPathError: The import path does not lead to a component of this kind.
        """
        component = self._imported(name) if is_import_path(self.check(name)) else None
        return parameters_of(component if _has_parameters(component) else Component)

    def build(self, name: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - T, or an instance of it
        """Return the component with this name; if it can have parameters, an instance with these.

        Raises:
            UnknownNameError: No component has this name.
            ImportPathError: The import path does not lead to a component of this kind.
        """
        component = self.get(name)
        return component(**parameters) if _has_parameters(component) else component

    def _imported(self, path: str) -> T:
        component = import_attribute(path)
        fault = self._fault(component)
        if fault:
            raise ImportPathError(f"{path} is not a valid {self.kind}: {fault}")
        return cast("T", component)

    def _fault(self, component: object) -> str | None:
        """Return why ``component`` is not valid, or None if it is."""
        found = f"got an object of type {type(component).__name__}"
        if self._takes_functions and not isinstance(component, type):
            return None if callable(component) else f"it must be callable, {found}"
        if self._base is None:
            return None
        base, needed = getattr(import_module(self._package), self._base), f"{self._package}.{self._base}"
        if not isinstance(component, type):
            return f"it must be a subclass of {needed}, {found}"
        if not issubclass(component, base):
            return f"the class must be a subclass of {needed}"
        missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        if missing:
            return f"the class must define every method of {needed}; missing: {missing}"
        try:
            parameters_of(component if _has_parameters(component) else Component)
        except ImportPathError as error:
            return str(error)
        return None


def _has_parameters(component: object) -> TypeGuard[type[Component]]:
    """Return whether ``component`` is a class that can declare parameters."""
    return isinstance(component, type) and issubclass(component, Component)


def is_import_path(name: str) -> bool:
    """Return whether ``name`` is an import path: registered names contain no colon."""
    return ":" in name


class _Imports:
    """Whether this process imports components by import path.

    A program that names its own components trusts them. A program that reads names from someone else's files
    must not import them before its user allows it.
    """

    are_allowed = True


def imports_are_allowed() -> bool:
    """Return whether this process imports components by import path."""
    return _Imports.are_allowed


def allow_imports(allowed: bool) -> None:  # noqa: FBT001 - the only argument
    """Allow or forbid this process to import components by import path; the default is to allow it."""
    _Imports.are_allowed = allowed


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
    if not imports_are_allowed():
        raise ImportsNotAllowedError(path)
    module = _import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        where = f" ({module.__file__})" if getattr(module, "__file__", None) else ""
        suggestion = closest(attribute, vars(module)) or _shadowed(module_name)
        raise ImportPathError(f"the module {module_name}{where} has no {attribute!r}{suggestion}") from None


def _import_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
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
