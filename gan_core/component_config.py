"""Configs that name components: the parameters of a chosen component are hyperparameters, too."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gan_core.errors import allowed_and_closest
from gan_core.loop_config import LoopConfig, changeable
from gan_core.registry import Registry


class ComponentConfig(LoopConfig):
    """The base class of configs that name components.

    A field with a registry in its annotation names a component, and each parameter of the component is a
    hyperparameter with the field's name before its own: the parameter ``width`` of the architecture is
    ``architecture.width``, as a keyword argument, in :meth:`model_dump` and in JSON.

    Raises:
        pydantic.ValidationError: A value has the wrong type or is out of range, or a key is unknown.
    """

    model_config = ConfigDict(extra="allow")

    @property
    def changeable(self) -> tuple[str, ...]:
        """The hyperparameters that may change during training."""
        of_components = [
            joined(field, name)
            for field, registry in registries(type(self)).items()
            for name in changeable(registry.parameters(getattr(self, field)))
        ]
        return (*super().changeable, *of_components)

    def component(self, field: str) -> Any:  # noqa: ANN401 - any kind of component
        """Return the component that a field names, with its parameters: ``config.component("loss")``."""
        return registries(type(self))[field].build(getattr(self, field), self.parameters_of_component(field))

    def parameters_of_component(self, field: str) -> dict[str, Any]:
        """Return the parameters of the component that a field names, by their own names."""
        return _of_field(field, self.__pydantic_extra__ or {})

    @model_validator(mode="after")
    def _check_and_complete(self) -> Self:
        """Check the keys that are not fields, and add the defaults of the components' parameters."""
        given = self.__pydantic_extra__ or {}
        complete: dict[str, Any] = {}
        faults: list[InitErrorDetails] = []
        for field, registry in registries(type(self)).items():
            model = registry.parameters(getattr(self, field))
            try:
                parameters = model.model_validate(_of_field(field, given))
                complete |= {joined(field, name): value for name, value in parameters}
            except ValidationError as error:
                faults += _as_faults(error, field, f"the {registry.kind} {getattr(self, field)}", model)
        faults += _unknown_keys(type(self), given)
        if faults:
            raise ValidationError.from_exception_data(type(self).__name__, faults)
        self.__pydantic_extra__ = complete
        return self


def registries(config: type[BaseModel]) -> dict[str, Registry[Any]]:
    """Return the fields of a config that name components, each with its registry."""
    return {
        name: each
        for name, field in config.model_fields.items()
        for each in field.metadata
        if isinstance(each, Registry)
    }


def joined(field: str, parameter: str) -> str:
    """Return the name of a component's parameter in configs, files and tables: ``architecture.width``."""
    return f"{field}.{parameter}"


def _of_field(field: str, values: Mapping[str, Any]) -> dict[str, Any]:
    prefix = joined(field, "")
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _as_faults(
    error: ValidationError, field: str, owner: str, model: type[BaseModel]
) -> Iterator[InitErrorDetails]:
    """Yield the errors of a component's parameters as errors of a config."""
    for detail in error.errors(include_url=False):
        name = joined(field, str(detail["loc"][0]))
        message = detail["msg"]
        if detail["type"] == "extra_forbidden":
            allowed = [joined(field, each) for each in model.model_fields]
            known = allowed_and_closest(name, allowed) if allowed else "it has no parameters"
            message = f"{owner} has no parameter {name!r}; {known}"
        yield InitErrorDetails(
            type=PydanticCustomError(detail["type"], _literal(message)), loc=(name,), input=detail["input"]
        )


def _unknown_keys(config: type[BaseModel], given: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    """Yield an error for each key that is neither a field nor a parameter of a component."""
    for key, value in given.items():
        if key.partition(".")[0] not in registries(config) or "." not in key:
            message = f"unknown hyperparameter {key!r}; {allowed_and_closest(key, config.model_fields)}"
            error = PydanticCustomError("extra_forbidden", _literal(message))
            yield InitErrorDetails(type=error, loc=(key,), input=value)


def _literal(message: str) -> Any:  # noqa: ANN401 - pydantic_core asks for a literal string
    """Return a message as a template of pydantic's; without a context, pydantic does not fill templates."""
    return message
