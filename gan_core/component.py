"""Components with parameters of their own: annotated attributes with a type, a range and a default."""

import warnings
from types import EllipsisType, FunctionType
from typing import Any, ClassVar, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from gan_core.errors import ImportPathError, in_one_line

SCALARS = bool | int | float | str | None
"""The types of hyperparameters."""

_DECLARED = SCALARS | FieldInfo | EllipsisType
"""What a parameter has as its default in the code; the ellipsis is a missing default."""

_NO_SCALAR = object()


class Component:
    """The base class of components: an annotated attribute of a subclass is a parameter of the component.

    A parameter has a type, a default and optionally a range. A config names the parameter after the kind of
    the component: ``TrialConfig(architecture="mine:Wide", **{"architecture.width": 32})``. An attribute
    without an annotation, with ``ClassVar``, or with a default other than a number, a string, a boolean or
    None is not a parameter.

    A function of the class with a first parameter other than ``self`` is a static method, with or without
    ``@staticmethod``: ``discriminator = MLP.discriminator`` is enough.

    Args:
        parameters: Values of parameters; the others have their defaults.

    Raises:
        pydantic.ValidationError: A value has the wrong type or is out of range, or a parameter is unknown.

    >>> from typing import Annotated
    >>> from pydantic import Field
    >>> class Scaled(Component):
    ...     factor: Annotated[float, Field(gt=0)] = 1.0
    >>> Scaled(factor=2.0).factor
    2.0
    """

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - as of any class
        super().__init_subclass__(**options)
        for name, value in list(vars(cls).items()):
            if isinstance(value, FunctionType) and value.__code__.co_varnames[:1] != ("self",):
                setattr(cls, name, staticmethod(value))

    def __init__(self, **parameters: bool | float | str | None) -> None:
        vars(self).update(parameters_of(type(self)).model_validate(parameters))


def parameters_of(component: type) -> type[BaseModel]:
    """Return the model of a component's parameters, which checks their values and has their defaults.

    Raises:
        ImportPathError: A parameter is not declared as it must be; the message says how.
    """
    if component not in _models:
        _models[component] = _model_of(component)
    return _models[component]


_models: WeakKeyDictionary[type, type[BaseModel]] = WeakKeyDictionary()


def _model_of(component: type) -> type[BaseModel]:
    try:
        hints = get_type_hints(component, include_extras=True)
        classes = [get_type_hints(each, include_extras=True) for each in component.__mro__]
    except (NameError, TypeError) as error:
        raise ImportPathError(
            f"the annotations of {component.__name__} cannot be read: {in_one_line(error)}"
        ) from error
    of_class = {name for each in classes for name, hint in each.items() if _is_class_variable(hint)}
    defaults = {name: getattr(component, name, ...) for name in hints.keys() - of_class}
    fields: dict[str, Any] = {
        name: (hint, defaults[name])
        for name, hint in hints.items()
        if isinstance(defaults.get(name, _NO_SCALAR), _DECLARED) and not name.startswith("_")
    }
    config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            model = create_model(component.__name__, __config__=config, **fields)
    except PydanticUserError as error:
        raise ImportPathError(f"the parameters of {component.__name__}: {in_one_line(error)}") from error
    check_declarations(model, component.__name__)
    return model


def check_declarations(model: type[BaseModel], owner: str) -> None:
    """Check that each field of a model has a default that is a number, a string, a boolean or None.

    Args:
        model: The model of hyperparameters.
        owner: Who declares them, for the message.

    Raises:
        ImportPathError: A field is not declared as it must be.
    """
    for name, field in model.model_fields.items():
        if field.is_required():
            raise ImportPathError(f"{owner}.{name} needs a default: type {name}: TYPE = VALUE")
        default = default_of(field)
        if not isinstance(default, SCALARS):
            raise ImportPathError(
                f"the default of {owner}.{name} is a {type(default).__name__}: allowed are numbers, strings,"
                " booleans and None"
            )
        if reason := rejection(model, name, default):
            raise ImportPathError(f"the default of {owner}.{name} is {default!r}: {reason}")
    try:
        model()
    except ValidationError as error:
        reasons = "; ".join(detail["msg"] for detail in error.errors(include_url=False))
        raise ImportPathError(f"the defaults of {owner} are not valid together: {reasons}") from error


def rejection(model: type[BaseModel], name: str, value: object) -> str | None:
    """Return why a field of ``model`` rejects a value, whatever the other fields are; None if it does not."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        details = error.errors(include_url=False)
        return next((detail["msg"] for detail in details if detail["loc"][:1] == (name,)), None)
    return None


def default_of(field: FieldInfo) -> Any:  # noqa: ANN401 - the declaration chooses the type
    """Return the default of a field."""
    return field.get_default(call_default_factory=True, validated_data={})


def _is_class_variable(hint: object) -> bool:
    return hint is ClassVar or get_origin(hint) is ClassVar
