"""Registries of components: packaged ones by name, users' own ones by import path."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, Generic, TypeGuard, TypeVar, cast

from pydantic import BaseModel

from gan_core.component import Component, parameters_of
from gan_core.errors import ImportPathError, UnknownNameError
from gan_core.imports import IMPORT_PATH, import_attribute, is_import_path

T = TypeVar("T")


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
