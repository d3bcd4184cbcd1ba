"""The methods of a search: Optuna's samplers or a user's own, and the options that a file can give them."""

import re
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, isclass, signature
from typing import Any, cast

from gan_core.errors import GanCoreError, UnknownNameError, allowed_and_closest
from gan_core.imports import import_attribute, is_import_path

SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsga2": "NSGAIISampler",
    "random": "RandomSampler",
    "grid": "RandomSampler",
}
"""Optuna's sampler of each method; ``grid`` draws the points of a finite space in random order."""

SET_HERE = {
    "seed": "gan-sweep sets it for each trial, from the sweep's seed: type seed, beside method_options",
    "constraints_func": "gan-sweep gives the sampler the constraints of the file: type constraints, beside"
    " method_options",
    "x0": "gan-sweep gives the sampler the first points of the file: type points, beside method_options",
    "source_trials": "type --warm-start NAME to give the sampler the trials of an earlier sweep",
}
"""The arguments of samplers that gan-sweep sets, or replaces, each with what to type instead."""

_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "None": (type(None),),
}
"""The types that a file can hold, by their names in annotations."""

_WORDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}

_DEPRECATED = {"consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints"}


def check_method(method: str) -> str:
    """Return a method of a search unchanged; the import path of a user's own sampler is imported.

    Raises:
        ValueError: There is no such method, or the import path does not lead to something that can be called.
    """
    if not is_import_path(method):
        if method not in SAMPLERS:
            raise ValueError(str(UnknownNameError("method", method, [*SAMPLERS, "MODULE:NAME"])))
        return method
    try:
        sampler_factory(method)
    except GanCoreError as error:
        raise ValueError(str(error)) from error
    return method


def sampler_factory(method: str) -> Callable[..., Any]:
    """Return what makes the samplers of a method, one for each trial.

    Args:
        method: The name of a method, or the import path of a user's class or function.

    Raises:
        ImportPathError: The import path does not lead to a class or a function.
    """
    if not is_import_path(method):
        import optuna.samplers

        return cast("Callable[..., Any]", getattr(optuna.samplers, SAMPLERS[method]))
    found = import_attribute(method)
    if not callable(found):
        from gan_core.errors import ImportPathError

        raise ImportPathError(
            f"{method} is {_article(type(found).__name__)}: name a class, or a function, that returns an"
            " Optuna sampler; gan-sweep makes one for each trial"
        )
    return found


def takes_seed(factory: Callable[..., Any]) -> bool:
    """Return whether a sampler can be seeded, so that a repeated sweep suggests the same trials."""
    parameters = _parameters(factory)
    return "seed" in parameters or any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())


def method_in_words(method: str, options: Mapping[str, Any] | None) -> str:
    """Return a method with its options, as it is shown.

    >>> method_in_words("tpe", {"n_startup_trials": 20})
    'tpe (n_startup_trials 20)'
    """
    listed = ", ".join(f"{name} {value}" for name, value in (options or {}).items())
    return f"{method} ({listed})" if listed else method


def option_faults(method: str, options: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong with the options of a method: the option, or None for a missing one, and a message.

    Options of Optuna's samplers are checked by name and type. Those of a user's own are checked by name.
    """
    parameters = _parameters(sampler_factory(method))
    is_own = is_import_path(method)
    accepted = {
        name: each
        for name, each in parameters.items()
        if name not in SET_HERE and each.kind in {Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    }
    allowed = [name for name in accepted if is_own or _kinds(accepted[name])]
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())
    for name, value in options.items():
        if name in SET_HERE:
            yield name, f"{name} cannot be set in method_options: {SET_HERE[name]}"
        elif name in accepted and name not in allowed:
            yield name, _not_of_a_file(name)
        elif name not in allowed and not takes_any:
            rule = allowed_and_closest(name, allowed) if allowed else _without_options(method, name)
            yield name, f"unknown option {name!r} of {method}; {rule}"
        elif not is_own and (message := _misfit(name, value, accepted[name])):
            yield name, message
    missing = [
        name for name, each in accepted.items() if each.default is Parameter.empty and name not in options
    ]
    if missing:
        yield None, f"{method} needs the options {', '.join(missing)}: type them in method_options"


def _without_options(method: str, option: str) -> str:
    """Return what a method without options is, and for a user's own how it gets an option."""
    if not is_import_path(method):
        return f"{method} has no options"
    kind = "class" if isclass(sampler_factory(method)) else "function"
    return f"{method} is a {kind} that takes no options: add the parameter {option} to it"


def _parameters(factory: Callable[..., Any]) -> Mapping[str, Parameter]:
    """Return the parameters of a callable; one that Python cannot inspect takes any."""
    try:
        return signature(factory).parameters
    except (TypeError, ValueError):
        return {"options": Parameter("options", Parameter.VAR_KEYWORD)}


def _kinds(parameter: Parameter) -> list[str]:
    """Return the types of a parameter of Optuna's; none if a file cannot hold its values."""
    names = re.findall(r"[\w.]+", str(parameter.annotation))
    is_plain = {*names} <= _KINDS.keys() and parameter.name not in _DEPRECATED
    return names if is_plain and not parameter.name.startswith("warn_") else []


def _not_of_a_file(name: str) -> str:
    if name in _DEPRECATED or name.startswith("warn_"):
        return f"{name} cannot be set: Optuna is removing it"
    return (
        f"{name} takes an object, which a file cannot hold: write a function that returns the sampler, and"
        " type method: MODULE:NAME"
    )


def _misfit(name: str, value: object, parameter: Parameter) -> str | None:
    """Return why a value has the wrong type for an option of Optuna's; None if it has the right one."""
    kinds = _kinds(parameter)
    types = tuple(each for kind in kinds for each in _KINDS[kind])
    if isinstance(value, types) and (not isinstance(value, bool) or bool in types):
        return None
    expected = " or ".join(_WORDS[kind] for kind in kinds if kind != "None")
    return f"{name} is {value!r}: expected {expected}"


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
