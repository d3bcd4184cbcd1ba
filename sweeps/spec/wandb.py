"""Translate W&B's sweep files: supported aliases, and replacements for unsupported keys and distributions."""

from collections.abc import Iterator, Mapping
from math import exp, log
from typing import Any

from gan_core.hyperparameters import Hyperparameters
from sweeps.errors import KeyPath
from sweeps.spec.other_tools import name_here

ALIASES = {"run_cap": "trials"}
"""W&B's names of keys that have another name here."""

UNSUPPORTED_KEYS = {
    "program": "gan-sweep trains its own GANs: remove it, and select your own networks with"
    " parameters: {architecture: MODULE:NAME}",
    "command": "gan-sweep does not start your programs: remove it, and fix parameters with"
    " parameters: {NAME: VALUE}",
    "controller": "gan-sweep is its own controller: remove it",
    "entity": "gan-sweep has no accounts: remove it",
    "project": "remove it; the key name names a sweep and its folder",
    "job": "gan-sweep does not start your jobs: remove it",
    "image_uri": "gan-sweep does not start containers: remove it",
}
"""W&B's keys without a counterpart, each with the reason and what to type."""

EXPONENT_DISTRIBUTIONS = ("log_uniform", "q_log_uniform", "inv_log_uniform")
"""W&B's distributions with exponents of e as bounds."""

REPLACEMENTS = {
    "inv_log_uniform_values": "log_uniform_values, with 1 / max as min and 1 / min as max",
    "q_normal": "normal",
    "log_normal": "log_uniform_values with the range that you mean",
    "q_log_normal": "q_log_uniform_values with the range that you mean",
    "beta": "uniform with the range that you mean",
    "q_beta": "q_uniform with the range that you mean",
}


def unsupported_distribution(name: str, parameter: Mapping[str, Any], known: Hyperparameters) -> str | None:
    """Return why the distribution of the parameter ``name`` is not supported, or None if it is.

    The message says what to type instead.
    """
    distribution = parameter.get("distribution")
    if distribution in EXPONENT_DISTRIBUTIONS:
        return _with_values_as_bounds(parameter, _default(name, known))
    if isinstance(distribution, str) and distribution in REPLACEMENTS:
        return f"the distribution {distribution} is not supported: type {REPLACEMENTS[distribution]}"
    return None


def _with_values_as_bounds(parameter: Mapping[str, Any], default: object) -> str:
    """Return what to type for a distribution with exponents as bounds.

    Many files have values as the bounds of ``log_uniform``. The bounds are taken as what fits the parameter
    better: its default is nearer to the middle of the range.
    """
    distribution = parameter["distribution"]
    reason = f"the bounds of {distribution} are exponents"
    kind = "q_log_uniform_values" if distribution == "q_log_uniform" else "log_uniform_values"
    ends: list[Any] = [parameter.get(key) for key in ("min", "max")]
    try:
        exponents = [-end for end in reversed(ends)] if distribution == "inv_log_uniform" else ends
        if _are_values(default, ends, exponents):
            reason += ", and these look like values"
            low, high = ends
        else:
            low, high = (exp(end) for end in exponents)
    except (TypeError, OverflowError):
        return f"{reason}: type distribution: {kind} with values as min and max"
    return f"{reason}: type distribution: {kind}, min: {low:.4g}, max: {high:.4g}"


def _default(name: str, known: Hyperparameters) -> object:
    """Return the default of another tool's parameter; None if it is not known here."""
    here = name_here(name, known)
    return known[here].default if here in known else None


def _are_values(default: object, ends: list[Any], exponents: list[Any]) -> bool:
    """Return whether the ends of a range are rather values of a parameter than exponents of e.

    Args:
        default: The default of the parameter.
        ends: The ends of the range, as the file has them.
        exponents: The same as exponents of e.
    """
    if min(ends) <= 0:
        return False
    if not isinstance(default, int | float) or default <= 0:
        return True
    middle_of_values, middle = (log(ends[0]) + log(ends[1])) / 2, sum(exponents) / 2
    return bool(abs(middle_of_values - log(default)) < abs(middle - log(default)))


def flatten(parameters: Mapping[str, Any], above: KeyPath) -> Iterator[tuple[str, Any, KeyPath]]:
    """Yield the name, content and path of each parameter, including those in nested ``parameters``.

    A trial's parameters have no groups: W&B's nested groups only arrange the file.
    """
    for name, parameter in parameters.items():
        path = (*above, name)
        if is_group(parameter):
            yield from flatten(parameter["parameters"], (*path, "parameters"))
        else:
            yield name, parameter, path


def is_group(parameter: object) -> bool:
    """Return whether the content of a parameter is a group of parameters instead."""
    return isinstance(parameter, Mapping) and isinstance(parameter.get("parameters"), Mapping)


def keys_beside_groups(parameters: Mapping[str, Any], above: KeyPath) -> Iterator[KeyPath]:
    """Yield the path of each key in a group other than ``parameters``."""
    for name, parameter in parameters.items():
        if is_group(parameter):
            path = (*above, name)
            yield from ((*path, key) for key in parameter if key != "parameters")
            yield from keys_beside_groups(parameter["parameters"], (*path, "parameters"))
