"""Read ``1e3`` as a whole number where a parameter must be one; YAML reads it as a real number."""

from collections.abc import Mapping
from typing import Any

from gan_core.hyperparameters import Hyperparameters


def as_whole(value: Any) -> Any:  # noqa: ANN401 - any value of a file
    """Return a real number without a fraction as a whole number, and anything else unchanged.

    >>> as_whole(1e3), as_whole(0.5), as_whole("1e3")
    (1000, 0.5, '1e3')
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_whole_numbers(values: Any, known: Hyperparameters) -> Any:  # noqa: ANN401 - any value of a file
    """Return a mapping of parameters to values, the whole numbers among them as such."""
    if not isinstance(values, Mapping):
        return values
    return {name: _converted(name, value, known) for name, value in values.items()}


def with_whole_numbers(name: str, parameter: Any, known: Hyperparameters) -> Any:  # noqa: ANN401 - any value of a file
    """Return the value or domain of a parameter, with the whole numbers that it must have as such."""
    if not isinstance(parameter, Mapping):
        return _converted(name, parameter, known)
    converted = {key: _converted(name, value, known) for key, value in parameter.items() if key != "q"}
    conditions = {"when": as_whole_numbers(parameter["when"], known)} if "when" in parameter else {}
    return {**parameter, **converted, **conditions}


def _converted(name: object, value: Any, known: Hyperparameters) -> Any:  # noqa: ANN401 - any value of a file
    if not isinstance(name, str) or name not in known or not known[name].is_whole:
        return value
    return [as_whole(each) for each in value] if isinstance(value, list) else as_whole(value)
