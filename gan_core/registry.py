"""Components by name: one file in a package, one decorator."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Generic, TypeVar

from gan_core.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """The components of one kind, each in a module of ``package`` that bears its name.

    The name ``gradient-penalty`` is the module ``gradient_penalty``. Names are read from the files, and a
    module is imported when its component is asked for, so that checking a name imports no torch.

    Args:
        kind: What the components are, for messages: ``"loss"``.
        package: The package that holds them: ``"gan_core.losses"``.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
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
        return sorted(module.name.replace("_", "-") for module in iter_modules(locations))

    def check(self, name: str) -> str:
        """Return ``name`` where a component has it.

        Raises:
            UnknownNameError: None has.
        """
        names = self.names()
        if name not in names:
            raise UnknownNameError(self.kind, name, names)
        return name

    def get(self, name: str) -> T:
        """Return the component called ``name``.

        Raises:
            UnknownNameError: There is none.
        """
        import_module(f"{self._package}.{self.check(name).replace('-', '_')}")
        return self._components[name]
